LIBS += json
json_DIR := lib/json
json_SRC := json.c
