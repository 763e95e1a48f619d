from collections import Counter


def clean(payload: dict) -> dict:
    text = payload["text"]
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, not {type(text).__name__}")
    return {**payload, "words": [word.strip(".,;:!?").lower() for word in text.split()]}


def count(payload: dict) -> dict:
    return {**payload, "counts": dict(Counter(filter(None, payload["words"])))}


def rank(payload: dict) -> dict:
    ranked = sorted(payload["counts"].items(), key=lambda item: (-item[1], item[0]))
    return {"most": [word for word, _ in ranked[: payload.get("most", 3)]], "total": sum(payload["counts"].values())}
