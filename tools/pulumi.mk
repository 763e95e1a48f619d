##@ The stack (one Pulumi program for every environment: ENV=local, oss, localstack or aws; docs/pulumi.md)
ENV ?=
PROFILE ?=
ARGS ?=
STACK_RUN = $(BIN)/python -m tools.stack $@ --env '$(ENV)' --profile '$(PROFILE)' --arguments '$(ARGS)'

.PHONY: up
up: $(STAMP) $(if $(PROFILE),cluster images) ## Make or update an environment: ENV=local; or PROFILE=sqs-s3, PROFILE=rabbitmq-minio
	@$(STACK_RUN)

.PHONY: preview
preview: $(STAMP) ## Say what up would do, and do nothing
	@$(STACK_RUN)

.PHONY: down
down: $(STAMP) ## Remove all that up made
	@$(STACK_RUN)

.PHONY: trigger-tests
trigger-tests: $(STAMP) ## Envelopes through the actor of an evaluation that `make up PROFILE=...` made
	@$(BIN)/python -m tools.stack.trigger

.PHONY: pulumi
pulumi: $(STAMP) ## Any other command of the engine, on the same state: ENV=oss ARGS="stack output"
	@$(STACK_RUN)
