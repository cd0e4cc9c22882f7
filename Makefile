# SPDX-License-Identifier: Apache-2.0
# Every target does its own set-up: a virtual environment in .venv with ROS 2 from wheels, once.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
COLCON := build/colcon

# A sourced ROS 2 or another environment's wheels would mix their libraries with those of .venv.
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help demo test parity lint format colcon clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.installed tf2_msgs  ## Play the supplied recording through the real nodes; results go to out/
	@$(RUN)/depth_anything_ros demo

test: lint tf2_msgs  ## Lint, then the whole test suite, the same that CI runs
	@$(RUN)/python -m pytest

parity: $(VENV)/.installed  ## Full-size networks against the official outputs in ../shared/golden: 10 GB, many minutes
	@$(RUN)/python -m pytest -m parity

lint: $(VENV)/.installed  ## Check style and format
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

format: $(VENV)/.installed  ## Correct style and format
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .

colcon: $(VENV)/.installed tf2_msgs  ## Build and test as a colcon workspace does, in build/colcon
	@$(RUN)/colcon --log-base $(COLCON)/log build --base-paths . --build-base $(COLCON)/build \
	    --install-base $(COLCON)/install
	@$(RUN)/colcon --log-base $(COLCON)/log test --base-paths . --build-base $(COLCON)/build \
	    --install-base $(COLCON)/install --event-handlers console_direct+ --return-code-on-test-failure

clean:  ## Remove .venv, build folders and results
	rm -rf $(VENV) build install log out dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: setup.py package.xml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    || { echo "Python 3.11 to 3.13 is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1): make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV) \
	    || { echo 'no virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)'; exit 1; }
	@echo 'Installing into $(VENV): ROS 2 from wheels, torch, ONNX Runtime and tools (once, about 3 GB)'
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

# Without cmake and a compiler the nodes still run, on extrinsics from a calibration file; the script says so.
.PHONY: tf2_msgs
tf2_msgs: $(VENV)/.installed
	@test -e $(VENV)/.tf2_msgs || { $(RUN)/python tools/build_tf2_msgs.py && touch $(VENV)/.tf2_msgs; } || true
