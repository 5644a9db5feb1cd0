#include <fmt/format.h>

#include "crayon/base/text.h"
#include "crayon/bench/internal/report_format.h"
#include "crayon/bench/internal/text_table.h"
#include "crayon/bench/route/internal/report_reader.h"
#include "crayon/bench/route/report.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNameBytes = 20;

std::string share(const Json& value) {
  return value.is_null() ? "-" : percent(value.get<double>());
}

std::string number(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.3f}", value.get<double>());
}

/// Accuracy of one side alone.
std::string device_of(const Json& curve) { return share(curve.at(0)); }
std::string server_of(const Json& curve) { return share(curve.at(curve.size() - 1)); }

std::string band(const Json& estimate) {
  if (estimate.at("value").is_null()) return "-";
  return fmt::format("{:.3f} {:.3f}..{:.3f}", estimate.at("value").get<double>(),
                     estimate.at("low").get<double>(), estimate.at("high").get<double>());
}

/// "+0.031 0.002..0.060", "*" where p < 0.05: the first router minus this one.
std::string difference(const Json& router) {
  const auto found = router.find("ours_minus_it");
  if (found == router.end()) return "";
  const Json& apgr = found->at("apgr");
  if (apgr.at("value").is_null()) return "-";
  return fmt::format("{:+.3f}{} {:+.3f}..{:+.3f}", apgr.at("value").get<double>(),
                     apgr.at("p").get<double>() < 0.05 ? "*" : " ", apgr.at("low").get<double>(),
                     apgr.at("high").get<double>());
}

std::string routers_table(const Json& list, const std::string& title) {
  if (list.empty()) return "";
  std::vector<std::vector<std::string>> rows{
      {"router", "area", "APGR, 95 % band", "ours - it", "CPT(50)", "CPT(80)", "match", "AUROC"}};
  for (const Json& one : list) {
    const Json& m = one.at("metrics");
    rows.push_back({cell_name(one.at("router").get<std::string>(), kNameBytes),
                    share(m.at("area").at("value")), band(m.at("apgr")), difference(one),
                    share(m.at("cpt_50").at("value")), share(m.at("cpt_80").at("value")),
                    share(m.at("match").at("value")), number(m.at("auroc").at("value"))});
  }
  return fmt::format("{}\n{}\n", title, text_table(rows));
}

std::string server_text(const Json& server) {
  const Json& all = server.at("all");
  const std::string name = one_line(server.at("server").get<std::string>());
  if (all.empty()) return fmt::format("Server {}: no task is done yet\n\n", name);
  const Json& curve = all.at(0).at("curve");
  std::string out =
      routers_table(all, fmt::format("Server {}: {}; accuracy %: device {}, server {}", name,
                                     counted(server.at("tasks").size(), "task"), device_of(curve),
                                     server_of(curve)));
  out += routers_table(server.at("pooled"), "One threshold for all tasks' questions together");
  const Json& mixed = server.at("mixed");
  if (mixed.empty()) return out;
  const Json& mix = mixed.at(0).at("curve");
  return out +
         routers_table(mixed,
                       fmt::format("Mixed traffic ({}); accuracy %: device {}, half to the "
                                   "server {}, server {}",
                                   counted(server.at("mixed_tasks").size(), "task"), device_of(mix),
                                   share(mix.at(mix.size() / 2)), server_of(mix)));
}

std::string risks_table(const Json& risks) {
  std::vector<std::vector<std::string>> rows{
      {"task", "risk %", "realised %", "2 s.e.", "kept", "server %", "from examples %"}};
  for (const Json& one : risks) {
    const bool refused = one.at("resamples") == 0;
    rows.push_back({cell_name(one.at("task").get<std::string>(), 24), share(one.at("risk")),
                    refused ? "refused" : share(one.at("mean")),
                    refused ? "" : percent(2 * one.at("standard_error").get<double>()),
                    refused ? "" : (one.at("kept").get<bool>() ? "yes" : "no"),
                    refused ? "" : share(one.at("server_share")), share(one.at("from_examples"))});
  }
  return fmt::format("Risk that was asked for, and what came of it\n{}\n", text_table(rows));
}

std::string scope_table(const Json& scope) {
  std::vector<std::vector<std::string>> rows{{"examples", "near", "tasks", "far", "tasks"}};
  const auto add = [](const Json& part, std::vector<std::string>& row) {
    row.push_back(part.is_null() ? "-" : number(part.at("mean")));
    row.push_back(part.is_null() ? "0" : std::to_string(part.at("tasks").get<std::size_t>()));
  };
  for (const Json& one : scope) {
    std::vector<std::string> row{std::to_string(one.at("n").get<std::size_t>())};
    add(one.at("near"), row);
    add(one.at("far"), row);
    rows.push_back(row);
  }
  std::vector<std::vector<std::string>> outside{{"examples", "judged by", "own", "near", "far"}};
  for (const Json& one : scope) {
    if (!one.contains("outside")) continue;  // a report of an older program
    for (const char* by : {"examples", "pool"}) {
      const Json& shares = one.at("outside").at(by);
      if (shares.is_null()) continue;
      outside.push_back({std::to_string(one.at("n").get<std::size_t>()),
                         std::string(by) == "pool" ? "and the pool" : "examples",
                         share(shares.at("own")), share(shares.at("near")),
                         share(shares.at("far"))});
    }
  }
  return fmt::format(
      "Scope, AUROC against questions of other tasks\n{}\n"
      "Scope, share of questions that count as of another task\n{}\n",
      text_table(rows), text_table(outside));
}

std::string text_of(const Json& report) {
  const Json& settings = report.at("settings");
  const Json& cells = report.at("cells");
  std::string out = fmt::format("Crayon routing benchmark: pool {} on {}, K = {}\n",
                                one_line(settings.at("pool").get<std::string>()),
                                one_line(settings.at("model").at("name").get<std::string>()),
                                settings.at("k").get<std::size_t>());
  if (cells.at("done") != cells.at("planned")) {
    out += fmt::format("PARTIAL: {} of {} planned results so far\n",
                       cells.at("done").get<std::size_t>(), cells.at("planned").get<std::size_t>());
  }
  out += "\n";
  for (const Json& server : report.at("servers")) out += server_text(server);
  const Json& calibration = report.at("calibration");
  const auto errors = [](const std::string& of, const Json& list) {
    return fmt::format(
        "  {}: {} raw, {} calibrated; {} and {} if just these confidences were exact\n", of,
        number(list.at("before")), number(list.at("after")), number(list.at("before_by_chance")),
        number(list.at("after_by_chance")));
  };
  out += "Calibration error (ECE)\n" + errors("within a task, mean", calibration);
  // Reports from before it was worked out have none.
  if (calibration.contains("one_list")) {
    out += errors("all questions as one list", calibration.at("one_list"));
  }
  out += "\n";
  out += risks_table(report.at("risks")) + scope_table(report.at("scope"));
  out +=
      "Area: mean accuracy of the mix over all server shares. APGR: the same as a share of the "
      "gap\n"
      "between device and server; 0.5 knows nothing. CPT(x): server share that recovers x % of "
      "the\n"
      "gap. Match: server share at which the mix equals the server alone. * p < 0.05, paired, not\n"
      "corrected.\n";
  for (const Json& one : settings.at("missing_servers")) {
    out += fmt::format("Not asked: {}: {}\n", one_line(one.at("server").get<std::string>()),
                       one_line(one.at("why").get<std::string>()));
  }
  return out;
}

}  // namespace

std::string route_report_text(const std::string& json, const std::string& name) {
  const Json report = parse_route_report(json, name);
  std::string out;
  with_route_report(name, [&] { out = text_of(report); });
  return out;
}

}  // namespace crayon
