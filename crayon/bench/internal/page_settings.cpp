// What the run was made with: settings, methods, tasks with their hashes.
#include <fmt/format.h>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/report_format.h"

namespace crayon {
namespace {

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }
std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string entry(std::string_view term, std::string_view html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, html);
}
std::string text_entry(std::string_view term, const std::string& text) {
  return entry(term, escaped(text));
}
std::string code_entry(std::string_view term, const std::string& text) {
  return entry(term, fmt::format("<code>{}</code>", escaped(text)));
}

std::string numbers(const auto& list) { return fmt::format("{}", fmt::join(list, ", ")); }

std::string settings_list(const ReportData& data) {
  const BenchSettings& s = data.settings;
  std::string out = "<dl>\n";
  out += text_entry("Crayon", s.version);
  out += text_entry("Commit", or_unknown(s.commit));
  out += code_entry("Command", s.command);
  const auto machines = machines_of(data);
  out += text_entry(machines.size() > 1 ? "Machines" : "Machine",
                    machines.empty() ? "none" : fmt::format("{}", fmt::join(machines, "; ")));
  out += text_entry("Results", results_text(data));
  out += text_entry("Model", s.model.name);
  out += code_entry("SHA-256 of the model", or_none(s.model.sha256));
  out += text_entry("Its weights", data.number_type == "file"
                                       ? "as in the file"
                                       : fmt::format("computed in {}", data.number_type));
  if (data.exact) out += text_entry("Arithmetic", "exact: keys and values in F32");
  out += text_entry("Pool", fmt::format("{} ({})", s.pool, counted(s.n_adapters, "adapter")));
  out += code_entry("SHA-256 of its pool.json", or_unknown(s.pool_sha256));
  out += text_entry("Multitask pool", or_none(s.multitask));
  if (!s.multitask_sha256.empty()) {
    out += code_entry("SHA-256 of the multitask pool&#39;s pool.json", s.multitask_sha256);
  }
  out += text_entry("Server's model", or_none(s.server));
  out += text_entry("Score of a choice", data.scoring);
  out += text_entry("Context", counted(static_cast<std::size_t>(s.context_tokens), "token"));
  out += text_entry("Questions a task",
                    data.questions == 0 ? "all" : fmt::format("at most {}", data.questions));
  out += entry("Prompt with context", fmt::format("<pre>{}</pre>", escaped(s.format.with_context)));
  out += entry("Prompt without", fmt::format("<pre>{}</pre>", escaped(s.format.without_context)));
  out += code_entry("Before a choice", fmt::format("\"{}\"", s.format.choice_prefix));
  return out + "</dl>\n";
}

std::string grids_table(const ReportData& data) {
  std::string body =
      "<thead><tr><th scope=\"col\">K</th><th scope=\"col\">Seeds</th>"
      "<th scope=\"col\">Methods</th></tr></thead>\n<tbody>\n";
  for (const ReportGrid& grid : data.grids) {
    body += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                        numbers(grid.k), numbers(grid.seeds), escaped(listed(grid.methods)));
  }
  return table_box("words grids", "What was run", body + "</tbody>\n");
}

std::string methods_table(const ReportData& data) {
  std::string body =
      "<thead><tr><th scope=\"col\">Method</th><th scope=\"col\">What it is</th>"
      "<th scope=\"col\">Sees of the examples</th><th scope=\"col\">Version</th></tr></thead>\n"
      "<tbody>\n";
  for (const ReportMethod& method : data.methods) {
    body += fmt::format(
        "<tr id=\"{}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        method_id(data, method.name), escaped(method.name), escaped(method.summary), method.sees,
        method.version);
  }
  return table_box("words", "Methods", body + "</tbody>\n");
}

std::string missing_list(const ReportData& data) {
  if (data.missing.empty()) return "<p>No method of the plan is missing.</p>\n";
  std::string body =
      "<thead><tr><th scope=\"col\">Method</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n";
  for (const Unavailable& one : data.missing) {
    body += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(one.method),
                        escaped(one.why));
  }
  return table_box("words", "Methods of the plan that could not run", body + "</tbody>\n");
}

std::string hashes_table(const ReportData& data) {
  std::string body =
      "<thead><tr><th scope=\"col\">Task</th><th scope=\"col\">Kind</th>"
      "<th scope=\"col\">Questions</th><th scope=\"col\">SHA-256 of the questions</th>"
      "<th scope=\"col\">SHA-256 of the examples</th>"
      "<th scope=\"col\">SHA-256 of the training rows</th></tr></thead>\n<tbody>\n";
  for (const ReportTask& task : data.tasks) {
    body += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><code>{}</code></td>"
        "<td><code>{}</code></td><td><code>{}</code></td></tr>\n",
        escaped(task.name), task.kind, task.answers.size(), escaped(task.questions_sha256),
        escaped(task.examples_sha256), escaped(or_unknown(task.training_sha256)));
  }
  return table_box("words hashes", "Tasks and their data", body + "</tbody>\n");
}

}  // namespace

std::string settings_tables(const ReportData& data) {
  return settings_list(data) + grids_table(data) + methods_table(data) + missing_list(data) +
         hashes_table(data);
}

}  // namespace crayon
