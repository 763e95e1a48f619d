##@ In a cluster (real Kubernetes with KEDA; kind where Docker and kind are, otherwise its parts as processes, as root)
# Another version than the pinned one: KUBERNETES=1.36, or 1.37.
KUBERNETES ?=
export KUBERNETES

.PHONY: cluster
cluster: $(STAMP) ## Start a one-node Kubernetes with KEDA; building its parts the first time takes a quarter of an hour. KUBERNETES=1.36
	@$(BIN)/python -m lab.cluster up

.PHONY: cluster-down
cluster-down: $(STAMP) ## Stop it and leave nothing of it
	@$(BIN)/python -m lab.cluster down

.PHONY: images
images: $(STAMP) ## Build the container images, and load them into the cluster when it is up; IMAGES="sidecar crew"
	@$(BIN)/python -m lab.images $(IMAGES)

.PHONY: publish
publish: $(STAMP) ## Build the images for amd64 and arm64 and push them: REGISTRY=host/path, STACK=aws writes the digests there
	@$(BIN)/python -m lab.images.publish '$(REGISTRY)' $(if $(STACK),--stack '$(STACK)') $(if $(IMAGES),--images $(IMAGES))

.PHONY: digests
digests: $(STAMP) ## Other projects' images by digest into a stack's settings, as their registries have them today: STACK=oss
	@$(BIN)/python -m lab.images.digests '$(STACK)'

.PHONY: release
release: $(STAMP) ## Wheels, charts, images and their bills of materials into .artifacts/release, and to REGISTRY and INDEX if given: VERSION=
	@$(BIN)/python -m tools.release '$(VERSION)' --registry '$(REGISTRY)' --index '$(INDEX)' $(if $(IMAGES),--images $(IMAGES))

.PHONY: image-list
image-list: $(STAMP) ## Name the images that a mesh needs, for a registry that has to hold them first
	@$(BIN)/python -m tools.image_list

IMAGES ?=
REGISTRY ?=
STACK ?=
VERSION ?=
INDEX ?=
