"""Authentication and rate limit: tokens, OpenID Connect, and the middleware that applies them."""
