// What a wait for the GIL looks like from outside: the futex words that such a wait sleeps on.
#pragma once

#include "python.hpp"

namespace bh_python {

// Learns them, once in the process. CONTEXT: the GIL is held; it is let go at the end.
void learn_gil_words();
// Does a thread that waits for a futex at this address wait for the GIL? Any thread, without the GIL.
bool is_gil_word(std::uintptr_t address) noexcept;

}  // namespace bh_python
