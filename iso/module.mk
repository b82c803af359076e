# `make iso` (rule in the top Makefile) runs iso/build on these programs; TETHER=path puts in another /init.
TETHER ?= $(O)/bin/tether
COPIER := $(O)/bin/tether-copy
