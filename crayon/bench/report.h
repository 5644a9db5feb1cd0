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
  std::string version;  ///< Of Crayon, with the commit where it is known.
  std::string command;  ///< As typed.
  std::string machine;  ///< CPU and threads; among the times, which differ from machine to machine.
  BaseModel model;
  std::string pool;       ///< PoolManifest::id
  std::string multitask;  ///< The same, or "".
  std::string server;     ///< Name of the server's model, or "".
  int context_tokens = 0;
  PromptFormat format;
  std::size_t n_adapters = 0;
};

/// The whole report as JSON text. With the same inputs it is the same, byte for byte, but for what
/// stands under "times".
[[nodiscard]] std::string report_json(const BenchRun& run, const BenchPlan& plan,
                                      const BenchSettings& settings);

/// The page of a report: summary, tasks, settings. Needs nothing but itself.
/// @throws Error CorruptFile  no report of ours; Unsupported: a newer one
[[nodiscard]] std::string report_html(const std::string& json, const std::string& name);

/// The same as text for a terminal: one table a K and switch, held-out tasks first.
[[nodiscard]] std::string report_text(const std::string& json, const std::string& name);

/// Reports side by side: every method that both have, with paired differences where the questions
/// are the same. @throws Error  as report_html; InvalidArgument: fewer than two
struct NamedReport {
  std::string name;
  std::string json;
};
[[nodiscard]] std::string compare_text(const std::vector<NamedReport>& reports);

/// Writes JSON, gzip where the name ends in .gz; reads both. @throws Error  as files.h
void write_report(const std::filesystem::path& path, const std::string& json);
[[nodiscard]] std::string read_report(const std::filesystem::path& path);

}  // namespace crayon
