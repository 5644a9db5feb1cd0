// One server's part of the page.
#include "crayon/bench/route/internal/html_rows.h"
#include "crayon/bench/route/internal/page.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

const Json& router_named(const Json& report, const Json& name) {
  for (const Json& router : report.at("routers")) {
    if (router.at("name") == name) return router;
  }
  return report.at("routers").at(name.get<std::string>());  // throws
}

/// Its name, and below it which labels it needs.
std::string router_cell(const Json& router) {
  return fmt::format("{}<small>{}</small>", text_cell(router.at("name")),
                     text_cell(router.at("knows")));
}

std::string signed_number(const Json& value) {
  return with_minus(fmt::format("{:+.3f}", value.get<double>()));
}

/// Ours minus this one, marked where p < 0.05. @param cell  signed_number or points_cell
std::string difference_cell(const Json& router, const char* metric,
                            std::string (*cell)(const Json&)) {
  const auto found = router.find("ours_minus_it");
  if (found == router.end()) return none_cell();
  const Json& estimate = found->at(metric);
  if (estimate.at("value").is_null()) return none_cell();
  const bool sure = estimate.at("p").get<double>() < 0.05;
  const bool up = estimate.at("value").get<double>() > 0;
  return fmt::format("<span class=\"{}\">{}{}</span><small>{} to {}</small>",
                     !sure ? "" : (up ? "up" : "down"), cell(estimate.at("value")), sure ? "*" : "",
                     cell(estimate.at("low")), cell(estimate.at("high")));
}

/// The sides alone: what a router of a fixed share gives.
std::string fixed_rows(const Json& report, const Json& list) {
  std::string out;
  for (const Json& router : report.at("routers")) {
    if (router.at("fixed_share").is_null()) continue;
    const bool server = router.at("fixed_share").get<double>() > 0.5;
    const Json& curve = list.at(0).at("curve");
    std::vector<std::string> cells{router_cell(router),
                                   percent_cell(curve.at(server ? curve.size() - 1 : 0))};
    for (int i = 0; i < 14; ++i) cells.push_back(none_cell());
    out += body_row(cells);
  }
  return out;
}

std::string quality_table(const Json& report, const Json& list, const std::string& caption) {
  std::string body =
      head_row({"Router <small>labels it needs</small>",
                "Accuracy, %, half to the server <small>always, never: all, none</small>",
                "The same minus the server alone, points", "Area under the curve, %",
                "Ours minus it, area, points", "APGR", "Ours minus it, APGR", "PGR at 20&nbsp;%",
                "PGR at 50&nbsp;%", "PGR at 80&nbsp;%", "CPT(50), %", "CPT(80), %",
                "Equals the server at, %", "AUROC", "AURC", "AUGRC"});
  body += "<tbody>\n";
  for (const Json& one : list) {
    const Json& router = router_named(report, one.at("router"));
    const Json& m = one.at("metrics");
    body += body_row(
        {router_cell(router), band_cell(m.at("accuracy_50"), percent_cell),
         band_cell(m.at("over_server_50"), points_cell), band_cell(m.at("area"), percent_cell),
         difference_cell(one, "area", points_cell), band_cell(m.at("apgr"), number_cell),
         difference_cell(one, "apgr", signed_number), band_cell(m.at("pgr_20"), number_cell),
         band_cell(m.at("pgr_50"), number_cell), band_cell(m.at("pgr_80"), number_cell),
         band_cell(m.at("cpt_50"), percent_cell), band_cell(m.at("cpt_80"), percent_cell),
         band_cell(m.at("match"), percent_cell), band_cell(m.at("auroc"), number_cell),
         band_cell(m.at("aurc"), number_cell), band_cell(m.at("augrc"), number_cell)});
  }
  return table_box("summary", caption, body + fixed_rows(report, list) + "</tbody>\n");
}

std::string figure(const std::string& id, std::size_t server, const std::string& caption) {
  return fmt::format(
      "<figure id=\"{0}-{1}-figure\" hidden>\n<figcaption>{2}</figcaption>\n"
      "<div class=\"plot\"><canvas id=\"{0}-{1}\" role=\"img\" aria-label=\"{2}\"></canvas></div>\n"
      "</figure>\n",
      id, server, caption);
}

std::string shares_table(const Json& server) {
  std::string body = head_row(
      {"Asked share, %", "Realised, %", "Least to most over tasks, %", "Accuracy of the mix, %"});
  body += "<tbody>\n";
  for (const Json& one : server.at("shares")) {
    body += body_row({percent_cell(one.at("asked")), percent_cell(one.at("realised")),
                      percent_cell(one.at("least")) + " to " + percent_cell(one.at("most")),
                      percent_cell(one.at("accuracy"))});
  }
  return table_box("tasks",
                   "Server share that was asked for, counted along each task&#39;s questions",
                   body + "</tbody>\n");
}

}  // namespace

std::string route_server_section(const Json& report, std::size_t i) {
  const Json& server = report.at("servers").at(i);
  const std::string name = text_cell(server.at("server"));
  std::string out = fmt::format(
      "<section id=\"server-{0}\" aria-labelledby=\"server-{0}-title\">\n"
      "<h2 id=\"server-{0}-title\">Against {1}</h2>\n",
      i, name);
  const Json& all = server.at("all");
  if (all.empty()) return out + "<p>No task has been answered by both sides yet.</p>\n</section>\n";
  out += figure("deferral", i,
                "Accuracy of the mix against server share, with 95&nbsp;% bands: "
                "the task&#39;s own questions, mean over tasks");
  out += quality_table(report, all,
                       fmt::format("Cost against quality, {}: the task&#39;s own questions; the "
                                   "values are of the mean curve, but AUROC, AURC and AUGRC, which "
                                   "are means over tasks",
                                   counted(server.at("tasks").size(), "task")));
  if (!server.at("pooled").empty()) {
    out += figure("pooled", i,
                  "One threshold for all tasks: their questions as one list, so that a task "
                  "where the device is weak may send more");
    out += quality_table(report, server.at("pooled"),
                         "One threshold for all tasks&#39; questions together");
  }
  out += figure("risk-coverage", i,
                "Wrong answers among those that the device keeps, against "
                "how many it keeps");
  if (!server.at("mixed").empty()) {
    out += figure("mixed", i,
                  "Mixed traffic: half the task&#39;s own questions, a quarter near, "
                  "a quarter far; the dashed line is the server alone");
    out += quality_table(report, server.at("mixed"),
                         fmt::format("Mixed traffic, {}: half own, a quarter near, a quarter far",
                                     counted(server.at("mixed_tasks").size(), "task")));
  }
  out += figure("shares", i,
                "Realised against asked server share; bars from the least to the most "
                "of a task");
  return out + shares_table(server) + "</section>\n";
}

}  // namespace crayon
