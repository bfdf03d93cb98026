-- Each station that ever reported is in latest_observations once, with its newest hour.
select
    stations.station_id,
    stations.last_observed_at,
    count(latest.station_id) as times_listed
from {{ ref('stations') }} as stations
left join {{ ref('latest_observations') }} as latest
    on stations.station_id = latest.station_id and stations.last_observed_at = latest.observed_at
where stations.observed_hours > 0
group by all
having count(latest.station_id) <> 1
