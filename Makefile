# Two commands: `make up` starts everything, `make test` checks everything. Both install what they need, once.
# A fresh machine needs Python >= 3.11 (with its venv module) and make; nothing is installed outside this folder.

DATA ?= data
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
# The first Python that is new enough and really runs (a version manager's shim may exist and answer nothing).
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)
# An account without a writable home (a service user) keeps npm's cache here.
NPM_CACHE := $(shell [ -w "$${HOME:-/nonexistent}" ] || echo npm_config_cache=$(CURDIR)/$(VENV)/npm-cache)

# Compiled modules are kept whatever the shell says: every process starts with them, every case loads its workflow anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup up test check bench doctor clean
.DELETE_ON_ERROR:

help:  ## 显示这些说明 Show this help
	@echo "make <目标 target>"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  DATA=<目录 folder>  数据放在哪里，缺省 data where the data lives, default data"

setup: $(STAMPS)/project $(STAMPS)/pages  ## 安装依赖(第二次不花时间) Install everything (a second run costs nothing)

up: setup  ## 启动全部服务，Ctrl-C 停止 Start everything, Ctrl-C stops it
	@exec $(BIN)/baoqi up --data $(DATA)

# Tests wait for servers as much as they compute: three side by side keep two processors busy.
WORKERS ?= 3
test: setup  ## 全部测试，然后 make check All tests, then make check
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder
	@$(MAKE) --no-print-directory check

check: setup  ## 代码检查 ruff, pyright, import-linter, own lints
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python -m lints

WHAT ?= human_tasks

bench: setup  ## 性能测量，WHAT=contributions、inbox 或 reminders 换一项 Measure speed; WHAT=contributions, inbox or reminders: another one
	$(BIN)/python -m bench.$(WHAT)

doctor: setup  ## 检查这台机器 Check this machine
	@$(BIN)/baoqi doctor --data $(DATA)

clean:  ## 删除安装的东西，不碰数据 Remove what was installed, never the data
	rm -rf $(VENV) node_modules

$(STAMPS)/venv:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "需要 Python 3.11 或更新版本（也可 make PYTHON=/路径/python3）。"; \
	  echo "Python 3.11 or newer is needed (or make PYTHON=/path/to/python3)."; exit 1; fi
	@if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "创建 $(VENV) Making $(VENV) ($(PYTHON)) …"; \
	  $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo "这个 Python 没有 venv 模块。Debian/Ubuntu:apt-get install python3-venv"; \
	    echo "This Python lacks its venv module. On Debian/Ubuntu: apt-get install python3-venv"; exit 1; }; fi
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/requirements: requirements.lock $(STAMPS)/venv
	@echo "安装依赖 Installing requirements.lock …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/requirements
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/pages: package-lock.json package.json .npmrc $(STAMPS)/requirements
	@echo "下载前端文件 Fetching front-end files …"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(NPM_CACHE) $(BIN)/npm ci --ignore-scripts --no-progress --loglevel=error
	@touch $@
