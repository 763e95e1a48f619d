def process(payload: dict) -> dict:
    return {"message": f"Hello {payload.get('who', 'World')}!"}
