"""``python -m asya_sidecar``."""

from asya_sidecar.main import main

main()
