# Two commands for a newcomer: `make run` boots a Debian kernel to a shell, `make test` runs all
# tests. Each target prints the real command it stands for. Meson does the work.
BUILD ?= build
MESON_ARGS ?=

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_ARGS)

run:
	./run

test:
	./test

# Speed beside QEMU's TCG and the bare machine; ARGS are its options: make bench ARGS=--quick.
bench:
	tools/install-dependencies build run bench
	$(MAKE) all
	tools/fetch-kernel
	bench/run.py --build $(BUILD) $(ARGS)

# Speed by themselves: of the decoder, of the interpreter.
bench-parts: all
	meson test -C $(BUILD) --no-rebuild --benchmark --verbose

# Start of a container, interleaved with crun and runc (root).
bench-container: all
	bench/container.py $(BUILD)/doppel-oci

# Formatting, lint and layers of what differs from main; `make check-all` of everything.
check:
	tools/check

check-all:
	tools/check --all

# Each fuzz target for SECONDS.
SECONDS ?= 10
fuzz:
	tools/fuzz $(SECONDS)

# The command, its manual and its completion, below --prefix of MESON_ARGS (or $$DESTDIR).
install: all
	meson install -C $(BUILD) --no-rebuild

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: all run test bench bench-parts bench-container check check-all fuzz install format
