// Runs another program without a shell and waits for it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace crayon {

struct ChildProcess {
  std::vector<std::string> arguments;    ///< The program (looked up in PATH) and its arguments.
  std::vector<std::string> environment;  ///< "NAME=value", over this process's own.
  std::filesystem::path output;          ///< File that takes its standard output and error.
  std::function<void()> on_wait;         ///< Called a few times a second while it runs.
};

/// Runs the program to its end and returns its exit status (128 + the signal that ended it).
/// An exception from on_wait, or a Ctrl-C, ends the program first and is then thrown.
/// @throws Error Unavailable  the program cannot be started
/// @throws Interrupted
int run_process(const ChildProcess& child);

}  // namespace crayon
