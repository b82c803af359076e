/* Makes the unbounded string functions fail to compile. */
#pragma once

#include <stdio.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat gets strtok
