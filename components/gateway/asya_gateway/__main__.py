"""``python -m asya_gateway``."""

from asya_gateway.main import main

main()
