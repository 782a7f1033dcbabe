// What this process may use of the machine: cores and memory, by affinity, container limits and what is free; and how
// near memory is.
#pragma once
#include <stdint.h>

namespace tenon {

// At least 1. Read once.
int allowed_cores();

// Bytes that can still be allocated without swapping or being killed; UINT64_MAX where the system does not say.
uint64_t available_memory();

// Bytes of a core's second cache, from 256 KiB to 4 MiB: those that TENON_L2 tells, else the system; 1 MiB where
// neither does. Read once. How work is cut may follow from it, the order of sums never.
uint64_t second_cache();

}  // namespace tenon
