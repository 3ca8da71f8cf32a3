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

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: all run test format
