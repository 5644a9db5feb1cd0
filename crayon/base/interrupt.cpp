#include "crayon/base/interrupt.h"

#include <atomic>
#include <csignal>

namespace crayon {
namespace {

// Set by a signal on any thread and polled by others: atomic, and lock-free as a handler must be.
std::atomic<int> flag = 0;
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int signal) {
  if (flag != 0) {  // asked twice: the user does not want to wait
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  flag = 1;
}

}  // namespace

void handle_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: a blocked read returns, so that the flag is seen
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept { return flag != 0; }
void set_interrupted(bool value) noexcept { flag = value ? 1 : 0; }
void throw_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

}  // namespace crayon
