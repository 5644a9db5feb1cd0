// The page of a report: tables stand without a script, plots are drawn by page/route.js.
#include <fmt/format.h>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/page_text.h"
#include "crayon/bench/internal/report_format.h"
#include "crayon/bench/route/internal/page.h"
#include "crayon/bench/route/internal/report_reader.h"
#include "crayon/bench/route/report.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

std::string lead(const Json& report) {
  const Json& settings = report.at("settings");
  const Json& cells = report.at("cells");
  std::string out;
  if (cells.at("done") != cells.at("planned")) {
    out += fmt::format(
        "<p class=\"partial\"><b>Partial:</b> {} of {} planned results so far. A task counts once "
        "both sides have answered all of it.</p>\n",
        cells.at("done").get<std::size_t>(), cells.at("planned").get<std::size_t>());
  }
  out += fmt::format(
      "<p>For each of {} a device is made by blending, from K&nbsp;=&nbsp;{} labelled examples "
      "({}). It and a larger LLM answer the same held-out questions, and every router decides from "
      "what it may see which ones the server gets. Server share is what the server answers.</p>\n"
      "<p>How to read it: PGR is the share of the gap between the two sides that a mix recovers, "
      "APGR its mean over all server shares (0.5 for a router that knows nothing), CPT(x) the "
      "least server share that recovers x&nbsp;% of the gap. Questions of equal score are shared "
      "out in expectation. A band holds 95&nbsp;% of {} resamplings of the questions; it speaks of "
      "these tasks, not of others.</p>\n",
      counted(report.at("tasks").size(), "task"), settings.at("k").get<std::size_t>(),
      counted(settings.at("seeds").size(), "draw"), settings.at("resamples").get<std::size_t>());
  return out;
}

/// What the plots need of the report: JSON, safe inside <script>.
std::string plots(const Json& report) {
  Json data = {{"servers", Json::array()},
               {"calibration", report.at("calibration")},
               {"risks", report.at("risks")},
               {"scope", report.at("scope")},
               {"routers", report.at("routers")}};
  for (const Json& server : report.at("servers")) {
    Json one = {{"server", server.at("server")},
                {"shares", server.at("shares")},
                {"risk_coverage", server.at("risk_coverage")}};
    for (const char* kind : {"all", "pooled", "mixed"}) {
      one[kind] = Json::array();
      for (const Json& router : server.at(kind)) {
        one[kind].push_back({{"router", router.at("router")},
                             {"curve", router.at("curve")},
                             {"low", router.at("low")},
                             {"high", router.at("high")}});
      }
    }
    data["servers"].push_back(one);
  }
  return data.dump(-1, ' ', /*ensure_ascii=*/true);
}

std::string page_of(const Json& report, const std::string& name) {
  const Json& settings = report.at("settings");
  std::string servers;
  for (std::size_t i = 0; i < report.at("servers").size(); ++i) {
    servers += route_server_section(report, i);
  }
  const std::string main =
      fill(route_template(), {{"lead", lead(report)},
                              {"servers", servers},
                              {"calibration", route_calibration_tables(report)},
                              {"risk", route_risk_table(report)},
                              {"scope", route_scope_table(report)},
                              {"tasks", route_task_tables(report)},
                              {"settings", route_settings_tables(report)}});
  return framed({.heading = "Crayon routing benchmark",
                 .pool = settings.at("pool").get<std::string>(),
                 .model = settings.at("model").at("name").get<std::string>(),
                 .name = name,
                 .sections = {{"server-0", "Routers"},
                              {"confidence", "Confidence"},
                              {"risk", "Risk"},
                              {"scope", "Scope"},
                              {"tasks", "Tasks"},
                              {"settings", "Settings"}},
                 .more = "The JSON file of the run also holds every question&#39;s scores, both "
                         "sides&#39; answers and every router&#39;s scores.",
                 .data = plots(report),
                 .script = route_script()},
                main);
}

}  // namespace

std::string route_report_html(const std::string& json, const std::string& name) {
  const Json report = parse_route_report(json, name);
  std::string out;
  with_route_report(name, [&] { out = page_of(report, name); });
  return out;
}

}  // namespace crayon
