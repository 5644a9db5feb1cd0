// Ctrl-C: the handler sets a flag; long work asks for it and stops at a place where nothing is
// half written. A second Ctrl-C ends the process at once.
#pragma once

#include <exception>

namespace crayon {

/// Thrown by throw_if_interrupted(); main() ends with exit status 130.
class Interrupted : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override { return "interrupted"; }
};

/// Lets SIGINT and SIGTERM set the flag. Called once, by main().
void handle_interrupts();
[[nodiscard]] bool interrupted() noexcept;
/// Sets the flag, as Ctrl-C would; tests clear it again.
void set_interrupted(bool value) noexcept;
void throw_if_interrupted();

}  // namespace crayon
