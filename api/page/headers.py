"""What every answer of the page tells the browser about what it may do with it."""

# No inline script or style anywhere, nothing from elsewhere, nobody's frame.
CONTENT_SECURITY_POLICY = "; ".join([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
])  # fmt: skip

NO_SNIFF = {"X-Content-Type-Options": "nosniff"}

SECURITY = {
    **NO_SNIFF,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

FOREVER = "public, max-age=31536000, immutable"
