// Threads that wait for runs: one run, one driver. They are kept and reused; none is an event loop's.
#pragma once
#include <functional>

namespace tenon {

// False where no thread could be had.
bool post_to_driver(std::function<void()> job);

}  // namespace tenon
