select * from {{ source('meta', 'loads') }}
