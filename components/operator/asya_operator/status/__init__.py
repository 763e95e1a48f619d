"""An actor's status: what the watches show, as the fields that ``kubectl get asyas`` prints. Pure."""
