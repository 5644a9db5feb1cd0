#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "crayon/cli/report.h"

namespace crayon {
namespace {

using Json = nlohmann::ordered_json;

double units(std::int64_t money) {
  return static_cast<double>(money) / static_cast<double>(kMoneyUnit);
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Of a share among n.
double standard_error(double share, std::int64_t n) {
  return n == 0 ? 0 : std::sqrt(share * (1 - share) / static_cast<double>(n));
}

Json side_json(const SideStatistics& side) {
  const std::int64_t marked = side.right + side.wrong;
  Json json{
      {"answers", side.answers},
      {"prompt_tokens", side.prompt_tokens},
      {"completion_tokens", side.completion_tokens},
      {"mean_seconds", side.answers == 0 ? 0 : side.seconds / static_cast<double>(side.answers)},
      {"marked", marked}};
  if (marked == 0) return json;
  const double accuracy = ratio(side.right, marked);
  json["accuracy"] = accuracy;
  json["standard_error"] = standard_error(accuracy, marked);
  return json;
}

Json amount_json(const Amount& amount) {
  return {{"calls", amount.calls}, {"tokens", amount.tokens}, {"money", units(amount.money)}};
}

std::string side_text(const char* name, const SideStatistics& side) {
  std::string line = fmt::format("{:<9} {} answers, {} tokens read, {} written", name, side.answers,
                                 side.prompt_tokens, side.completion_tokens);
  if (side.answers > 0) {
    line += fmt::format(", {:.2f} s an answer", side.seconds / static_cast<double>(side.answers));
  }
  const std::int64_t marked = side.right + side.wrong;
  if (marked > 0) {
    const double accuracy = ratio(side.right, marked);
    line += fmt::format("; right {:.3f} ± {:.3f} of {} marked", accuracy,
                        standard_error(accuracy, marked), marked);
  }
  return line + "\n";
}

std::string amount_text(const Amount& amount) {
  return fmt::format("{} calls, {} tokens, {:.4g} money", amount.calls, amount.tokens,
                     units(amount.money));
}

/// Most frequent first.
std::vector<std::pair<std::string, std::int64_t>> by_count(
    const std::map<std::string, std::int64_t>& reasons) {
  std::vector<std::pair<std::string, std::int64_t>> out(reasons.begin(), reasons.end());
  std::ranges::stable_sort(out, [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

}  // namespace

std::string stats_json(const StatsReport& report) {
  const DecisionStatistics& decisions = report.decisions;
  const std::int64_t all = decisions.device.answers + decisions.server.answers;
  Json json{{"answers", all}, {"server_share", ratio(decisions.server.answers, all)}};
  if (!report.since.empty()) json["since"] = report.since;
  if (!report.task.empty()) json["task"] = report.task;
  json["device"] = side_json(decisions.device);
  json["server"] = side_json(decisions.server);
  json["money"] = {{"spent", units(decisions.money)}, {"saved", units(decisions.saved)}};
  json["reasons"] = Json::object();
  for (const auto& [reason, n] : by_count(decisions.reasons)) json["reasons"][reason] = n;
  json["budget"] = {{"today", amount_json(report.spending.today)},
                    {"month", amount_json(report.spending.month)},
                    {"unsettled_calls", report.spending.unsettled}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string stats_text(const StatsReport& report) {
  const DecisionStatistics& decisions = report.decisions;
  const std::int64_t all = decisions.device.answers + decisions.server.answers;
  std::string text = fmt::format("answers   {}, server share {:.3f}{}{}\n", all,
                                 ratio(decisions.server.answers, all),
                                 report.since.empty() ? "" : ", since " + report.since,
                                 report.task.empty() ? "" : ", task " + report.task);
  text += side_text("device", decisions.device);
  text += side_text("server", decisions.server);
  text += fmt::format("money     {:.4g} spent, {:.4g} saved\n", units(decisions.money),
                      units(decisions.saved));
  text += fmt::format("budget    today {}\n", amount_text(report.spending.today));
  text += fmt::format("          month {}\n", amount_text(report.spending.month));
  if (report.spending.unsettled > 0) {
    text += fmt::format(
        "          {} calls not settled (under way, or of a program that died): "
        "they count in full\n",
        report.spending.unsettled);
  }
  const char* name = "reasons";
  for (const auto& [reason, n] : by_count(decisions.reasons)) {
    text += fmt::format("{:<9} {} {}\n", std::exchange(name, ""), n, reason);
  }
  return text;
}

}  // namespace crayon
