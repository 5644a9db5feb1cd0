// The workers of one training job on this machine, as processes of crayon-trainer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace crayon {

/// Starts `n` processes of `program` with the environment that torchrun would give them, and waits
/// for all. Ctrl-C is handed on to them once. Where one fails the others are ended: at once when a
/// signal ended it, else after the time that they need to end by themselves.
/// @return 0, or the status of the first that failed; it has said why
/// @throws Error Unavailable  a process cannot be started, or one was ended by a signal: names both
int run_workers(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                int n);

}  // namespace crayon
