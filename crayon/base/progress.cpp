#include "crayon/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;

std::string amount(std::uint64_t n, const std::string& unit) {
  return unit == "bytes" ? fmt::format("{:.1f} MB", static_cast<double>(n) / 1e6)
                         : fmt::format("{}", n);
}

}  // namespace

std::string format_duration(std::chrono::seconds seconds) {
  const auto s = seconds.count();
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02} min", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02} h", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(std::ostream& out, ProgressOptions options)
    : out_(out),
      options_(std::move(options)),
      terminal_(&out == &std::cerr && ::isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (!started_ || !options_.enabled) return;
  print(Clock::now());
  if (terminal_) out_ << std::endl;
}

void Progress::set(std::uint64_t done, const std::string& note) {
  const auto now = Clock::now();
  if (!started_) {  // how long these took is not known: the rate is of what comes after
    started_ = true;
    first_ = done;
    start_ = now;
  }
  done_ = done;
  note_ = note;
  if (!options_.enabled) return;
  const auto step = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (now - last_ < step) return;
  print(now);
}

void Progress::print(Clock::time_point now) {
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate =
      seconds > 0 ? static_cast<double>(done_ - std::min(first_, done_)) / seconds : 0;
  std::string line = options_.label + " " + amount(done_, options_.unit);
  if (options_.total > 0) {
    line += fmt::format(" of {} {} ({:.0f} %)", amount(options_.total, options_.unit),
                        options_.unit == "bytes" ? "" : options_.unit,
                        100.0 * static_cast<double>(done_) / static_cast<double>(options_.total));
  }
  if (rate > 0) {
    line += options_.unit == "bytes" ? fmt::format(", {:.1f} MB/s", rate / 1e6)
                                     : fmt::format(", {:.3g} {}/s", rate, options_.unit);
    if (options_.total > done_) {
      const double left = static_cast<double>(options_.total - done_) / rate;
      line += ", " + format_duration(std::chrono::seconds(static_cast<long>(left))) + " left";
    }
  }
  if (!note_.empty()) line += ", " + note_;
  if (terminal_) {
    out_ << "\r\033[K" << line << std::flush;
  } else {
    out_ << line << std::endl;
  }
}

}  // namespace crayon
