#include "crayon/formats/internal/task_info.h"

#include <climits>

#include "crayon/formats/internal/json_parts.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr std::uint64_t kFormatVersion = 1;

Json to_json(const TaskInfo& info) {
  return {
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

}  // namespace

void put_task_info(const TaskInfo& info, std::map<std::string, GgufValue>& metadata) {
  const auto put = [&](const char* key, auto values) {
    metadata[key] = GgufArray(std::move(values));
  };
  metadata[kTaskVersionKey] = kFormatVersion;
  metadata["crayon.task"] = to_json(info).dump(-1, ' ', false, Json::error_handler_t::replace);
  put("crayon.weights", info.weights);
  put("crayon.recent_scores", info.recent_scores);
  put("crayon.whitening.mean", info.whitening.mean);
  put("crayon.whitening.projection", info.whitening.projection.data);
  put("crayon.scope.examples", info.scope_examples.data);
  put("crayon.head.labels", info.head.labels);
  put("crayon.head.bias", info.head.bias);
  put("crayon.head.probe", info.head.probe.data);
}

TaskInfo read_task_info(const Gguf& gguf) {
  const std::uint64_t version = gguf.number(kTaskVersionKey);
  if (version != kFormatVersion) {
    throw file_error(
        ErrorCode::Unsupported, gguf.file(),
        "has task format {}, this program knows {}; update crayon, or use `crayon task "
        "upgrade`",
        version, kFormatVersion);
  }
  const Json json = parse_json(gguf.text("crayon.task"), gguf.file() + ": crayon.task");
  TaskInfo info = read_json_part(JsonObject(json, gguf.file() + ": crayon.task", ""));
  info.weights = gguf.floats("crayon.weights");
  info.recent_scores = array_of<double>(gguf, "crayon.recent_scores", "float64");
  info.whitening.mean = gguf.floats("crayon.whitening.mean");
  info.whitening.projection =
      matrix_of(gguf, "crayon.whitening.projection", info.whitening.mean.size());
  const std::size_t m = info.whitening.projection.rows;
  info.scope_examples = matrix_of(gguf, "crayon.scope.examples", m);
  info.head.labels = array_of<std::uint64_t>(gguf, "crayon.head.labels", "uint64");
  info.head.bias = gguf.floats("crayon.head.bias");
  info.head.probe = matrix_of(gguf, "crayon.head.probe", m + 1);
  return info;
}

}  // namespace crayon
