// crayon stats: what was answered where, why, at what cost, and how well.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <chrono>
#include <ctime>
#include <iostream>

#include "crayon/base/error.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/report.h"
#include "crayon/store/store.h"

namespace crayon {
namespace {

using Time = std::chrono::system_clock::time_point;

struct StatsArgs {
  CommonArgs common;
  std::string since;
  std::string task;
};

[[noreturn]] void bad_since(const std::string& text) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("--since '{}'; expected a day as 2026-11-27 (UTC), or a time back from "
                          "now as 90m, 12h, 7d or 4w",
                          text));
}

/// "7d" and the like.
std::optional<std::chrono::seconds> time_back(const std::string& text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  const bool whole = error == std::errc() && end + 1 == text.data() + text.size();
  if (!whole || n < 0 || n > 5000) return std::nullopt;  // a clock in nanoseconds holds 292 years
  switch (*end) {
    case 'm':
      return std::chrono::minutes(n);
    case 'h':
      return std::chrono::hours(n);
    case 'd':
      return std::chrono::days(n);
    case 'w':
      return std::chrono::weeks(n);
    default:
      return std::nullopt;
  }
}

Time since_when(const std::string& text) {
  if (text.empty()) return Time();
  if (const auto back = time_back(text)) return std::chrono::system_clock::now() - *back;
  std::tm date{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%d", &date);
  const int year = date.tm_year + 1900;
  if (end == nullptr || *end != '\0' || year < 1970 || year > 2200) bad_since(text);
  return std::chrono::system_clock::from_time_t(::timegm(&date));
}

void run_stats(const StatsArgs& args, std::ostream& out) {
  const Time since = since_when(args.since);
  Store store;
  const StatsReport report{.since = args.since,
                           .task = args.task,
                           .decisions = store.statistics(since, args.task),
                           .spending = store.spending()};
  out << (args.common.json ? stats_json(report) + "\n" : stats_text(report));
}

}  // namespace

void add_stats_command(CLI::App& app) {
  auto args = std::make_shared<StatsArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("stats", "Who answered, why, at what cost, and how well");
  cmd->add_option("--since", args->since,
                  "A day (2026-11-27, UTC) or a time back from now (90m, 12h, 7d, 4w); default: "
                  "all that is kept, 400 days");
  cmd->add_option("--task", args->task, "Answers of this task only");
  add_json_option(*cmd, args->common);
  cmd->callback([args] { run_stats(*args, std::cout); });
}

}  // namespace crayon
