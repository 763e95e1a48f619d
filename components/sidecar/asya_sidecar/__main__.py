"""``python -m asya_sidecar``: what the container image runs."""

from asya_process.signals import hold

hold()
from asya_sidecar.main import main  # noqa: E402 - signals wait while the rest is imported

main()
