#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/page_text.h"
#include "crayon/bench/report.h"

namespace crayon {

std::string report_html(const std::string& json, const std::string& name) {
  const ReportData data = parse_report(json, name);
  const std::string main = fill(page_template(), {{"lead", lead_text(data)},
                                                  {"switches", switch_fields(data)},
                                                  {"summary", summary_tables(data)},
                                                  {"tasks", task_tables(data)},
                                                  {"settings", settings_tables(data)}});
  return framed(
      {.heading = "Crayon benchmark",
       .pool = data.settings.pool,
       .model = data.settings.model.name,
       .name = name,
       .sections = {{"summary", "Summary"}, {"tasks", "Tasks"}, {"settings", "Settings"}},
       .more = "The JSON file of the run also holds every choice and score, the tables of "
               "every K and each task&#39;s calibration error.",
       .data = plot_data(data),
       .script = page_script()},
      main);
}

}  // namespace crayon
