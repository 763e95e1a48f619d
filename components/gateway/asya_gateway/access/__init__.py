"""Who is asking, and how often: tokens, OpenID Connect, the rate limit, the middleware that applies them."""
