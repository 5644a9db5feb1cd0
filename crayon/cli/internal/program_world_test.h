// For tests of this part: the built program as a child, and a small world for it to work on.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "crayon/testing/random.h"

namespace crayon {

struct ProgramRun {
  int status = -1;  ///< Exit status; 128 + n when signal n ended it.
  std::string out;
  std::string notes;
};

/// A folder with model.gguf (tiny, random), pool/ (3 random adapters), examples.jsonl (8 labelled
/// questions with the labels yes, no, maybe) and home/ for tasks; the program runs in it.
class ProgramWorld {
 public:
  ProgramWorld();
  /// Runs `crayon ARGS`; ARGS and SETTINGS ("NAME=value ...") are words of the shell.
  [[nodiscard]] ProgramRun run(const std::string& args, const std::string& input = {},
                               const std::string& settings = {}) const;
  /// The same where standard output is a terminal; `out` has its line ends ("\r\n").
  [[nodiscard]] ProgramRun run_on_terminal(const std::string& args) const;
  /// Starts the same without waiting. @return the id of its process, which the shell hands over
  [[nodiscard]] pid_t start(const std::string& args) const;
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return folder_.path() / name;
  }
  void write(const std::string& name, const std::string& text) const;
  /// Names of all files below the folder, sorted, but for the run's own.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  [[nodiscard]] std::string command(const std::string& args, const std::string& settings,
                                    const std::string& out = "run/out") const;

  TemporaryFolder folder_;
};

}  // namespace crayon
