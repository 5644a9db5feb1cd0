#include "crayon/cli/routing.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <limits>

#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/cli/internal/finite.h"
#include "crayon/router/threshold.h"
#include "crayon/session/calibrate.h"

namespace crayon {
namespace {

constexpr double kMost = 1e12;
constexpr double kLeast = 1e-12;  // of what must not be 0

/// The flag that needs a server, or "".
std::string needs_server(const RouteArgs& args) {
  if (args.side == "server") return "--side server";
  if (args.max_risk) return "--max-risk";
  if (args.max_regret) return "--max-regret";
  return args.price ? "--price" : "";
}

Error no_labels(const OpenTask& task, const char* flag) {
  if (!task.info) {
    return {ErrorCode::InvalidArgument,
            fmt::format("{} needs a task's labelled examples, and '{}' is no task; make one with "
                        "`crayon customize`",
                        flag, task.name)};
  }
  return {ErrorCode::InvalidArgument,
          fmt::format("{} needs labelled examples, and task '{}' has none; give it some with "
                      "`crayon calibrate --task {} --data FILE`",
                      flag, task.name, task.name)};
}

double threshold_for(const OpenTask& task, double risk, Risk kind) {
  const bool regret = kind == Risk::WorseThanServer;
  const char* flag = regret ? "--max-regret" : "--max-risk";
  if (!task.info || task.info->judged.empty()) throw no_labels(task, flag);
  RiskExamples labels = risk_examples(*task.info);
  if (regret) {
    std::erase_if(labels.examples, [](const JudgedSignals& j) { return !j.server_right; });
    if (labels.examples.empty()) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("--max-regret needs the server's answers to labelled questions, and "
                              "task '{0}' has none; run `crayon calibrate --task {0} --data FILE "
                              "--server-url URL`",
                              task.name));
    }
  }
  try {
    const RiskThreshold threshold = risk_threshold(labels.examples, risk, kind);
    if (!labels.held_out) {
      log_warning(fmt::format(
          "{} {}: promised from the {} examples that made task '{}', so it is approximate; "
          "`crayon calibrate --data FILE` with other labelled questions makes it exact",
          flag, risk, threshold.n, task.name));
    }
    return risk_confidence(threshold, task.info->calibration);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}, task '{}': {}; more with `crayon calibrate --task "
                                          "{} --data FILE`",
                                          flag, task.name, error.what(), task.name));
  }
}

}  // namespace

void add_hold_back_option(CLI::App& cmd, std::size_t& hold_back) {
  cmd.add_option_function<std::size_t>(
         "--hold-back",
         [&hold_back](std::size_t tokens) {
           hold_back = tokens == 0 ? std::numeric_limits<std::size_t>::max() : tokens;
         },
         fmt::format(
             "Tokens of a free answer that are looked at, and held back, before it is decided "
             "who speaks; 0: the whole answer; default {}. Give calibrate the same",
             kHoldBackTokens))
      ->check(CLI::Range(0, 1 << 20));
}

void add_route_options(CLI::App& cmd, RouteArgs& args) {
  add_hold_back_option(cmd, args.hold_back);
  CLI::Option* share = cmd.get_option("--server-share");
  CLI::Option* side =
      cmd.add_option("--side", args.side, "device or server: who answers, whatever the confidence")
          ->check(CLI::IsMember({"device", "server"}));
  CLI::Option* risk =
      cmd.add_option("--max-risk", args.max_risk,
                     "Share of all requests of the task that the device may answer wrongly; what "
                     "it cannot promise goes to the server")
          ->check(finite_range(0, 1));
  CLI::Option* regret = cmd.add_option("--max-regret", args.max_regret,
                                       "The same, counting only what the server would have right")
                            ->check(finite_range(0, 1));
  CLI::Option* price =
      cmd.add_option("--price", args.price,
                     "What a call of the server costs; it is asked where the gain is worth more")
          ->check(finite_range(0, kMost));
  CLI::Option* value =
      cmd.add_option("--value", args.value, "What a right answer is worth, in the unit of --price")
          ->check(finite_range(kLeast, kMost))
          ->needs(price);
  price->needs(value);
  cmd.add_option("--server-right", args.server_right,
                 "With --price: share of its answers that the server has right, where `crayon "
                 "calibrate` has not asked it; default 0.9")
      ->check(finite_range(0, 1))
      ->needs(price);
  CLI::Option* const all[] = {share, side, risk, regret, price};
  for (CLI::Option* one : all) {
    for (CLI::Option* other : all) {
      if (one != other) one->excludes(other);
    }
  }
}

RouterOptions route_options(const RouteArgs& args, const ServerArgs& servers,
                            const OpenTask& task) {
  RouterOptions options;
  if (servers.url.empty()) {
    const std::string flag = needs_server(args);
    if (flag.empty()) return options;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} is given, but no server; add --server-url URL", flag));
  }
  if (args.side == "device") return options;
  if (args.side == "server") {
    options.mode = RouteMode::Always;
  } else if (args.max_risk || args.max_regret) {
    options.mode = RouteMode::Risk;
    options.risk_threshold = args.max_risk
                                 ? threshold_for(task, *args.max_risk, Risk::DeviceWrong)
                                 : threshold_for(task, *args.max_regret, Risk::WorseThanServer);
  } else if (args.price) {
    options.mode = RouteMode::Price;
    options.cost = *args.price;
    options.value = args.value.value_or(options.value);
    options.server_right = args.server_right.value_or(options.server_right);
  } else {
    options.mode = RouteMode::ServerShare;
    options.server_share = servers.share.value_or(options.server_share);
  }
  return options;
}

}  // namespace crayon
