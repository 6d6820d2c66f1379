# What a person does with this repository. Each target says in one line what it is for.

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test lint bench bench-engine image crds docs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a Kubernetes on this machine, Millrace in it, and an order that runs
	@examples/demo up

demo-down: ## end what the demo started
	@examples/demo down

test: ## everything: lint, unit, property, command line, chart and cluster tests
	@tests/run

lint: ## format, clippy without and with the Kubernetes half, and links of docstrings
	cargo fmt --check
	cargo clippy --locked --no-default-features --all-targets -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

bench: bench-engine ## the engine; then runs per second, writes, latency, memory against a real API server; ARGS="--quick"
	@cargo bench --locked --bench speed -- $(ARGS)

bench-engine: ## compiling, transitions, Maps of ten thousand, the stored form: no cluster, a minute
	@cargo bench --locked --no-default-features --bench engine

image: ## the container image as an OCI archive; prints its path
	@image/build

crds: ## the generated definitions, after a change of src/api
	cargo build --locked --bin millrace
	target/debug/millrace crds --output crds
	target/debug/millrace crds --output charts/millrace/files/crds

docs: ## the generated part of the documentation, after a change of src/diagnostic.rs
	MILLRACE_WRITE_DOCS=1 cargo test --locked --no-default-features --test it -- --exact diagnostics::every_code_is_in_the_documentation
