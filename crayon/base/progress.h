// A progress line with rate and time left. On a terminal it is redrawn in place; elsewhere (a log
// file, CI) it prints a line at most every ten seconds, so that a log stays short.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace crayon {

struct ProgressOptions {
  std::string label;           ///< What is being done: "embed", "train".
  std::uint64_t total = 0;     ///< Units in all; 0 when unknown.
  std::string unit = "items";  ///< "items", "questions"; "bytes" prints MB.
  bool enabled = true;         ///< false prints nothing (--quiet).
};

class Progress {
 public:
  /// `out` is borrowed and must outlive this; usually std::cerr.
  Progress(std::ostream& out, ProgressOptions options);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  ///< Ends the line.

  void set_total(std::uint64_t total) { options_.total = total; }
  void advance(std::uint64_t n = 1) { set(done_ + n); }
  /// Units done so far, and a note behind them ("loss 1.23"). The rate counts from the first call
  /// on: a resumed job may begin with what was done before.
  void set(std::uint64_t done, const std::string& note = {});

 private:
  void print(std::chrono::steady_clock::time_point now);

  std::ostream& out_;
  ProgressOptions options_;
  std::uint64_t done_ = 0;
  std::uint64_t first_ = 0;  ///< Units done at the first set(): not part of the rate.
  bool started_ = false;
  bool terminal_;
  std::string note_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

/// "42 s", "3:07 min", "1:02:03 h".
[[nodiscard]] std::string format_duration(std::chrono::seconds seconds);

}  // namespace crayon
