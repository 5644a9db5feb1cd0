// The page's tables that do not belong to one server, or go by task.
#include "crayon/bench/route/internal/html_rows.h"
#include "crayon/bench/route/internal/page.h"

namespace crayon {
namespace {

using Json = nlohmann::json;

std::string entry(std::string_view term, std::string_view html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, html);
}

std::string list_of(const Json& values) {
  std::string out;
  for (const Json& value : values) {
    out += (out.empty() ? "" : ", ") +
           (value.is_string() ? escaped(value.get<std::string>()) : value.dump());
  }
  return out.empty() ? "none" : out;
}

/// A text that reports of earlier versions lack, and some do not know.
Json known_or_unknown(const Json& settings, const char* key) {
  const Json text = settings.value(key, Json("unknown"));
  return text.is_string() && text.get_ref<const std::string&>().empty() ? Json("unknown") : text;
}

/// What the router makes of scope: which questions it takes for another task's.
std::string outside_table(const Json& report) {
  std::string body =
      head_row({"Examples", "Judged by", "Its own, %", "Near, %", "Far, %"}) + "<tbody>\n";
  for (const Json& one : report.at("scope")) {
    if (!one.contains("outside")) continue;  // a report of an older program
    for (const auto& [by, name] :
         {std::pair{"examples", "examples"}, std::pair{"pool", "with the pool"}}) {
      const Json& shares = one.at("outside").at(by);
      if (shares.is_null()) continue;
      body += body_row({std::to_string(one.at("n").get<std::size_t>()), name,
                        percent_cell(shares.at("own")), percent_cell(shares.at("near")),
                        percent_cell(shares.at("far"))});
    }
  }
  return table_box(
      "tasks",
      "Scope: share of questions that count as of another task (p-value below the "
      "router&#39;s level of 0.05), judged by the task&#39;s examples alone and with the "
      "pool&#39;s scope model",
      body + "</tbody>\n");
}

std::string task_table(const Json& server) {
  std::vector<std::string> head{"Task", "Questions", "Device, %", "Server, %", "Unread replies"};
  if (server.at("by_task").empty()) return "";
  const Json& first = server.at("by_task").at(0).at("routers");
  for (const Json& router : first) {
    head.push_back(text_cell(router.at("router")) + " <small>AUROC, APGR</small>");
  }
  std::string body = head_row(head) + "<tbody>\n";
  for (const Json& task : server.at("by_task")) {
    std::vector<std::string> cells{text_cell(task.at("task")),
                                   std::to_string(task.at("n").get<std::size_t>()),
                                   percent_cell(task.at("device")), percent_cell(task.at("server")),
                                   std::to_string(task.at("unparsed").get<std::size_t>())};
    for (const Json& router : task.at("routers")) {
      const Json& m = router.at("metrics");
      cells.push_back(fmt::format("{}<small>{}</small>", number_cell(m.at("auroc").at("value")),
                                  number_cell(m.at("apgr").at("value"))));
    }
    body += body_row(cells);
  }
  return table_box("tasks", fmt::format("Against {}", text_cell(server.at("server"))),
                   body + "</tbody>\n");
}

std::string routers_table(const Json& report) {
  std::string body =
      head_row({"Router", "What it does", "Labels it needs", "Version"}) + "<tbody>\n";
  for (const Json& router : report.at("routers")) {
    body +=
        body_row({text_cell(router.at("name")), text_cell(router.at("summary")),
                  text_cell(router.at("knows")), std::to_string(router.at("version").get<int>())});
  }
  return table_box("words", "Routers", body + "</tbody>\n");
}

std::string hashes_table(const Json& report) {
  std::string body = head_row({"Task", "Kind", "Family", "Questions", "SHA-256 of the questions",
                               "SHA-256 of the examples"}) +
                     "<tbody>\n";
  for (const Json& task : report.at("tasks")) {
    const std::string family = text_cell(task.at("family"));
    body +=
        body_row({text_cell(task.at("name")), text_cell(task.at("kind")),
                  family.empty() ? "none" : family, std::to_string(task.at("n").get<std::size_t>()),
                  "<code>" + text_cell(task.at("questions_sha256")) + "</code>",
                  "<code>" + text_cell(task.at("examples_sha256")) + "</code>"});
  }
  return table_box("words hashes", "Tasks and their data", body + "</tbody>\n");
}

}  // namespace

std::string route_calibration_tables(const Json& report) {
  const Json& calibration = report.at("calibration");
  std::string body =
      head_row({"Task", "Raw", "If it were exact", "Calibrated", "If it were exact"}) + "<tbody>\n";
  const auto row = [](const std::string& name, const Json& errors) {
    return body_row({name, number_cell(errors.at("before")),
                     number_cell(errors.at("before_by_chance")), number_cell(errors.at("after")),
                     number_cell(errors.at("after_by_chance"))});
  };
  body += row("Mean over tasks", calibration);
  // Reports from before it was worked out have none.
  if (calibration.contains("one_list")) {
    body += row("All questions as one list", calibration.at("one_list"));
  }
  for (const Json& task : calibration.at("by_task")) body += row(text_cell(task.at("task")), task);
  return table_box(
      "tasks",
      "Expected calibration error on held-out questions, ten bins: the largest share "
      "of softmax(scores), and the confidence calibrated on the examples. Beside each, "
      "what as many answers would show if the confidences were exact",
      body + "</tbody>\n");
}

std::string route_risk_table(const Json& report) {
  std::string body =
      head_row({"Task", "Asked risk, %", "Realised, %", "Its standard error", "Deviation", "Kept",
                "Server share, %", "Set on the K examples, %", "Examples", "Draws"}) +
      "<tbody>\n";
  for (const Json& one : report.at("risks")) {
    std::vector<std::string> cells{text_cell(one.at("task")), percent_cell(one.at("risk"))};
    if (one.at("resamples") == 0) {
      cells.insert(cells.end(), {"refused", none_cell(), none_cell(), none_cell(), none_cell()});
    } else {
      const bool kept = one.at("kept").get<bool>();
      cells.insert(
          cells.end(),
          {percent_cell(one.at("mean")),
           fmt::format("{:.3f}", 100 * one.at("standard_error").get<double>()),
           percent_cell(one.at("deviation")),
           fmt::format("<span class=\"{}\">{}</span>", kept ? "up" : "down", kept ? "yes" : "no"),
           percent_cell(one.at("server_share"))});
    }
    cells.push_back(percent_cell(one.at("from_examples")));
    cells.push_back(std::to_string(one.at("n").get<std::size_t>()));
    cells.push_back(std::to_string(one.at("resamples").get<std::size_t>()));
    body += body_row(cells);
  }
  return table_box("tasks",
                   "Wrong answers of the device, of all requests, where a threshold is set for an "
                   "asked risk on n labelled questions drawn again and again; kept: at most the "
                   "asked risk and two standard errors",
                   body + "</tbody>\n");
}

std::string route_scope_table(const Json& report) {
  const auto cell = [](const Json& part) {
    if (part.is_null()) return none_cell();
    return fmt::format("{}<small>{} to {}, {}</small>", number_cell(part.at("mean")),
                       number_cell(part.at("low")), number_cell(part.at("high")),
                       counted(part.at("tasks").get<std::size_t>(), "task"));
  };
  std::string body = head_row({"Examples", "Near", "Far"}) + "<tbody>\n";
  for (const Json& one : report.at("scope")) {
    body += body_row({std::to_string(one.at("n").get<std::size_t>()), cell(one.at("near")),
                      cell(one.at("far"))});
  }
  return table_box("tasks",
                   "Scope: AUROC of the similarity to the task&#39;s examples against questions of "
                   "near and of far tasks; bands over tasks",
                   body + "</tbody>\n") +
         outside_table(report);
}

std::string route_task_tables(const Json& report) {
  std::string out;
  for (const Json& server : report.at("servers")) out += task_table(server);
  return out.empty() ? "<p>No task has been answered by both sides yet.</p>\n" : out;
}

std::string route_settings_tables(const Json& report) {
  const Json& s = report.at("settings");
  const Json& times = report.at("times");
  std::string out = "<dl>\n";
  out += entry("Crayon", text_cell(s.at("version")));
  out += entry("Commit", text_cell(known_or_unknown(s, "commit")));
  out += entry("Command", "<code>" + text_cell(times.at("command")) + "</code>");
  out += entry("Machines", list_of(times.at("machines")));
  out += entry("Model", text_cell(s.at("model").at("name")));
  out +=
      entry("SHA-256 of the model", "<code>" + text_cell(s.at("model").at("sha256")) + "</code>");
  out += entry("Its weights", text_cell(s.at("number_type")));
  out += entry("Pool", text_cell(s.at("pool")));
  out += entry("SHA-256 of its pool.json",
               "<code>" + text_cell(known_or_unknown(s, "pool_sha256")) + "</code>");
  out += entry("Servers", list_of(s.at("servers")));
  for (const Json& one : s.at("missing_servers")) {
    out += entry("Not asked", text_cell(one.at("server")) + ": " + text_cell(one.at("why")));
  }
  out += entry("Examples a task (K)", s.at("k").dump());
  out += entry("Seeds", list_of(s.at("seeds")));
  out += entry("Questions a task, at most", s.at("questions").dump());
  out += entry("Context", s.at("context_tokens").dump() + " tokens");
  out += entry("Resamplings of bands", s.at("resamples").dump());
  out += entry("Prompt with context",
               "<pre>" + text_cell(s.at("prompt").at("with_context")) + "</pre>");
  out +=
      entry("Prompt without", "<pre>" + text_cell(s.at("prompt").at("without_context")) + "</pre>");
  return out + "</dl>\n" + routers_table(report) + hashes_table(report);
}

}  // namespace crayon
