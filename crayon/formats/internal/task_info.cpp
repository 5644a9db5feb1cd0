#include "crayon/formats/internal/task_info.h"

#include <algorithm>
#include <climits>

#include "crayon/formats/internal/json_parts.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kWithChoiceProbe = 2;  // older programs would answer without it

// What a mark of a judged request is the sum of.
constexpr std::uint64_t kRight = 1;
constexpr std::uint64_t kAsked = 2;
constexpr std::uint64_t kServerRight = 4;
constexpr std::uint64_t kHeldOut = 8;
constexpr std::uint64_t kFreeText = 16;

void put_judged(const std::vector<JudgedSignals>& judged,
                std::map<std::string, GgufValue>& metadata) {
  if (judged.empty()) return;
  std::vector<double> signals;
  std::vector<std::uint64_t> marks;
  for (const JudgedSignals& j : judged) {
    signals.insert(signals.end(), {j.signals.top, j.signals.margin, j.signals.entropy});
    marks.push_back((j.right ? kRight : 0) + (j.server_right ? kAsked : 0) +
                    (j.server_right.value_or(false) ? kServerRight : 0) +
                    (j.held_out ? kHeldOut : 0) + (j.signals.free_text ? kFreeText : 0));
  }
  metadata["crayon.judged.signals"] = GgufArray(std::move(signals));
  metadata["crayon.judged.marks"] = GgufArray(std::move(marks));
}

void put_scope_model(const ScopeModel& model, std::map<std::string, GgufValue>& metadata) {
  if (model.empty()) return;
  metadata["crayon.scope.sizes"] =
      GgufArray(std::vector<std::uint64_t>(model.sizes.begin(), model.sizes.end()));
  metadata["crayon.scope.quantiles"] = GgufArray(model.quantiles.data);
}

Json to_json(const TaskInfo& info) {
  Json json = {
      {"name", info.name},
      {"pool_id", info.pool_id},
      {"base", to_json(info.base)},
      {"mode", info.mode},
      {"rank", info.rank},
      {"relative_error", info.relative_error},
      {"n_examples", info.n_examples},
      {"kept", info.kept},
      {"prompt", to_json(info.prompt)},
      {"embedding",
       {{"layer", info.embedding.layer}, {"pooling", to_string(info.embedding.pooling)}}},
      {"calibration", to_json(info.calibration)},
      {"policy",
       {{"local_only", info.policy.local_only}, {"server_allowed", info.policy.server_allowed}}},
      {"probe_weight", info.head.probe_weight}};
  json["generic_calibration"] = to_json(info.generic);
  if (info.server) json["server_calibration"] = to_json(*info.server);
  return json;
}

/// What stands in crayon.task.
TaskInfo read_json_part(const JsonObject& object) {
  TaskInfo info;
  info.name = object.text("name");
  info.pool_id = object.text("pool_id");
  info.base = read_base(object.object("base"));
  info.mode = object.text("mode");
  info.rank = static_cast<int>(object.integer("rank", 0, INT_MAX));
  info.relative_error = object.real("relative_error");
  info.n_examples = static_cast<std::size_t>(object.integer("n_examples", 0, INT64_MAX));
  info.kept = object.text("kept");
  info.prompt = read_prompt(object.object("prompt"));
  const JsonObject embedding = object.object("embedding");
  info.embedding.layer = static_cast<int>(embedding.integer("layer", 0, info.base.n_layers));
  try {
    info.embedding.pooling = parse_pooling(embedding.text("pooling"));
  } catch (const Error&) {
    throw embedding.wrong("pooling", "'mean' or 'last'");
  }
  info.calibration = read_calibration(object.object("calibration"));
  info.generic = info.calibration;
  if (object.has("generic_calibration")) {
    info.generic = read_calibration(object.object("generic_calibration"));
  }
  if (object.has("server_calibration")) {
    info.server = read_calibration(object.object("server_calibration"));
  }
  const JsonObject policy = object.object("policy");
  info.policy.local_only = policy.boolean("local_only");
  info.policy.server_allowed = policy.boolean("server_allowed");
  info.head.probe_weight = static_cast<float>(object.real("probe_weight"));
  return info;
}

/// A matrix of `cols` columns from a flat array.
Matrix matrix_of(const Gguf& gguf, const std::string& key, std::size_t cols) {
  Matrix matrix;
  matrix.data = gguf.floats(key);
  if (matrix.data.empty()) return matrix;
  if (cols == 0 || matrix.data.size() % cols != 0) {
    throw corrupt(gguf.file(), "key {} has {} numbers, expected a multiple of {}", in_quotes(key),
                  matrix.data.size(), cols);
  }
  matrix.rows = matrix.data.size() / cols;
  matrix.cols = cols;
  return matrix;
}

template <typename T>
std::vector<T> array_of(const Gguf& gguf, const std::string& key, const char* kind) {
  const auto found = gguf.metadata().find(key);
  if (found != gguf.metadata().end()) {
    if (const auto* array = std::get_if<GgufArray>(&found->second)) {
      if (const auto* values = std::get_if<std::vector<T>>(array)) return *values;
    }
  }
  throw corrupt(gguf.file(), "key {} is missing or of another kind, expected an array of {}",
                in_quotes(key), kind);
}

std::vector<JudgedSignals> read_judged(const Gguf& gguf) {
  if (!gguf.has("crayon.judged.signals")) return {};
  const auto signals = array_of<double>(gguf, "crayon.judged.signals", "float64");
  const auto marks = array_of<std::uint64_t>(gguf, "crayon.judged.marks", "uint64");
  if (signals.size() % 3 != 0 || marks.size() != signals.size() / 3) {
    throw corrupt(gguf.file(), "crayon.judged has {} numbers and {} marks, expected 3 and 1 each",
                  signals.size(), marks.size());
  }
  std::vector<JudgedSignals> judged;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    JudgedSignals one;
    one.signals = {.top = signals[3 * i],
                   .margin = signals[3 * i + 1],
                   .entropy = signals[3 * i + 2],
                   .free_text = (marks[i] & kFreeText) != 0};
    one.right = (marks[i] & kRight) != 0;
    if ((marks[i] & kAsked) != 0) one.server_right = (marks[i] & kServerRight) != 0;
    one.held_out = (marks[i] & kHeldOut) != 0;
    judged.push_back(one);
  }
  return judged;
}

ScopeModel read_scope_model(const Gguf& gguf) {
  ScopeModel model;
  if (!gguf.has("crayon.scope.sizes")) return model;
  const auto sizes = array_of<std::uint64_t>(gguf, "crayon.scope.sizes", "uint64");
  model.sizes.assign(sizes.begin(), sizes.end());
  model.quantiles.data = gguf.floats("crayon.scope.quantiles");
  model.quantiles.rows = model.sizes.size();
  model.quantiles.cols = model.quantiles.data.size() / std::max<std::size_t>(1, model.sizes.size());
  return model;
}

}  // namespace

void put_task_info(const TaskInfo& info, std::map<std::string, GgufValue>& metadata) {
  const auto put = [&](const char* key, auto values) {
    metadata[key] = GgufArray(std::move(values));
  };
  const bool probes = !info.head.choice_probe.empty();
  metadata[kTaskVersionKey] = probes ? kWithChoiceProbe : kFormatVersion;
  metadata["crayon.task"] = to_json(info).dump(-1, ' ', false, Json::error_handler_t::replace);
  put("crayon.weights", info.weights);
  put("crayon.recent_scores", info.recent_scores);
  put_judged(info.judged, metadata);
  put("crayon.whitening.mean", info.whitening.mean);
  put("crayon.whitening.projection", info.whitening.projection.data);
  put("crayon.scope.examples", info.scope_examples.data);
  put_scope_model(info.scope, metadata);
  put("crayon.head.labels", info.head.labels);
  put("crayon.head.bias", info.head.bias);
  put("crayon.head.probe", info.head.probe.data);
  if (probes) put("crayon.head.choice_probe", info.head.choice_probe);
}

TaskInfo read_task_info(const Gguf& gguf) {
  const std::uint64_t version = gguf.number(kTaskVersionKey);
  if (version != kFormatVersion && version != kWithChoiceProbe) {
    throw file_error(
        ErrorCode::Unsupported, gguf.file(),
        "has task format {}, this program knows {}; update crayon, or use `crayon task "
        "upgrade`",
        version, kWithChoiceProbe);
  }
  const Json json = parse_json(gguf.text("crayon.task"), gguf.file() + ": crayon.task");
  TaskInfo info = read_json_part(JsonObject(json, gguf.file() + ": crayon.task", ""));
  info.weights = gguf.floats("crayon.weights");
  info.recent_scores = array_of<double>(gguf, "crayon.recent_scores", "float64");
  info.judged = read_judged(gguf);
  info.whitening.mean = gguf.floats("crayon.whitening.mean");
  info.whitening.projection =
      matrix_of(gguf, "crayon.whitening.projection", info.whitening.mean.size());
  const std::size_t m = info.whitening.projection.rows;
  info.scope_examples = matrix_of(gguf, "crayon.scope.examples", m);
  info.scope = read_scope_model(gguf);
  info.head.labels = array_of<std::uint64_t>(gguf, "crayon.head.labels", "uint64");
  info.head.bias = gguf.floats("crayon.head.bias");
  info.head.probe = matrix_of(gguf, "crayon.head.probe", m + 1);
  if (version == kWithChoiceProbe) {
    info.head.choice_probe = gguf.floats("crayon.head.choice_probe");
  }
  return info;
}

}  // namespace crayon
