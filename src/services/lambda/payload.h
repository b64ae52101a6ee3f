/* Payloads that are not JSON. Pure. */
#ifndef KUMONIWA_SERVICES_LAMBDA_PAYLOAD_H
#define KUMONIWA_SERVICES_LAMBDA_PAYLOAD_H

#include "base/arena.h"
#include "base/str.h"

/* What is wrong with a text that json_is_valid() refuses, and where. */
struct str payload_problem(struct arena *arena, struct str text);

#endif
