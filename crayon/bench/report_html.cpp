#include <fmt/format.h>

#include "crayon/bench/internal/page.h"
#include "crayon/bench/internal/page_text.h"
#include "crayon/bench/report.h"

namespace crayon {

std::string report_html(const std::string& json, const std::string& name) {
  const ReportData data = parse_report(json, name);
  const BenchSettings& settings = data.settings;
  return fill(page_template(), {{"title", escaped(fmt::format("Crayon benchmark: {} on {}",
                                                              settings.pool, settings.model.name))},
                                {"pool", escaped(settings.pool)},
                                {"model", escaped(settings.model.name)},
                                {"name", escaped(name)},
                                {"lead", lead_text(data)},
                                {"switches", switch_fields(data)},
                                {"summary", summary_tables(data)},
                                {"tasks", task_tables(data)},
                                {"settings", settings_tables(data)},
                                {"data", plot_data(data)},
                                {"style", page_style()},
                                {"chart", chart_script()},
                                {"script", page_script()}});
}

}  // namespace crayon
