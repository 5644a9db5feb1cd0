// A run of the benchmark as one JSON file and one HTML page; two JSON files compared.
// The JSON's keys are documented in docs/bench-report.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crayon/bench/run.h"
#include "crayon/bench/summary.h"

namespace crayon {

/// What a run was made with.
struct BenchSettings {
  std::string version;      ///< Of Crayon.
  std::string commit = {};  ///< That was built, with a "+" where files were changed; "": unknown.
  std::string command;      ///< As typed.
  BaseModel model;
  std::string pool;              ///< PoolManifest::id
  std::string pool_sha256 = {};  ///< Of its pool.json, which names the hashes of all its files.
  std::string multitask;         ///< As `pool`, or "".
  std::string multitask_sha256 = {};
  std::string server;  ///< Name of the server's model, or "".
  int context_tokens = 0;
  PromptFormat format;
  std::size_t n_adapters = 0;
};

/// The whole report as JSON text. With the same inputs it is the same, byte for byte, but for what
/// stands under "times".
[[nodiscard]] std::string report_json(const BenchRun& run, const BenchPlan& plan,
                                      const BenchSettings& settings);

/// The page of a report: summary, tasks, settings. Needs nothing but itself.
/// @param name  of the file, for messages and the page's foot
/// @throws Error CorruptFile  no report of ours, or a key that is missing or wrong
/// @throws Error Unsupported  a report of another schema
[[nodiscard]] std::string report_html(const std::string& json, const std::string& name);

/// The same as text for a terminal, mostly within 100 columns: for each K the held-out tasks (where
/// there are none, the first group that there is) with label calibration off and on, and the costs.
/// @throws Error  as report_html
[[nodiscard]] std::string report_text(const std::string& json, const std::string& name);

struct NamedReport {
  std::string name;
  std::string json;
};
/// Each further report against the first: what differs in settings and tasks, and for every method,
/// K and switch that both have, paired differences on the tasks whose questions are the same, over
/// the seeds that both have. @throws Error  as report_html; InvalidArgument: fewer than two
[[nodiscard]] std::string compare_text(const std::vector<NamedReport>& reports);

/// Writes JSON, gzip where the name ends in .gz. @throws Error  as write_atomically
void write_report(const std::filesystem::path& path, const std::string& json);
/// Reads either and looks at its schema. @throws Error  as read_text; CorruptFile: broken or short
/// gzip, or no report of ours; Unsupported: a newer one; InvalidArgument: more than 1 GiB of text
[[nodiscard]] std::string read_report(const std::filesystem::path& path);

/// Reads a report of any kind, of `bench route` too, without a look at its schema.
/// @throws Error  as read_report, but for the schema
[[nodiscard]] std::string read_any_report(const std::filesystem::path& path);

/// The results of a report with all that a run needs to take them over. @throws Error  as
/// read_report; CorruptFile: a key that is missing or wrong
[[nodiscard]] EarlierResults read_results(const std::filesystem::path& path);

}  // namespace crayon
