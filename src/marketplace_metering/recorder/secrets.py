"""What must not reach a log: credentials in the words of other people's errors."""

from __future__ import annotations

SECRETS = (
    (r"://[^/@\s]+@", "://***@"),  # user and password of a URL
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b", "***"),  # an access key's id
    (r"(?i)((?:signature|credential|token|secret|password)[\w-]*[=:]\s*)[^\s&,;]+", r"\1***"),
)
LONGEST = 500


def without_secrets(text: str) -> str:
    """The text, cut to a line or so, with what looks like a credential blacked out."""
    import re

    for pattern, instead in SECRETS:
        text = re.sub(pattern, instead, text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
