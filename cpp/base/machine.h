// What this process may use of the machine: cores and memory, by affinity, container limits and what is free.
#pragma once
#include <stdint.h>

namespace tenon {

// At least 1. Read once.
int allowed_cores();

// Bytes that can still be allocated without swapping or being killed; UINT64_MAX where the system does not say.
uint64_t available_memory();

}  // namespace tenon
