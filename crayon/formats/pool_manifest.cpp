#include "crayon/formats/pool_manifest.h"

#include <climits>
#include <cmath>
#include <filesystem>
#include <set>

#include "crayon/formats/internal/json_parts.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr int kFormatVersion = 1;
constexpr int kMaxRank = 65536;

/// Refuses paths that could leave the pool's folder.
std::string read_path(const JsonObject& object, const char* key) {
  const std::string text = object.text(key);
  const std::filesystem::path path(text);
  bool good = !text.empty() && path.is_relative() && path.has_filename() &&
              text.find('\0') == std::string::npos && text.find('\\') == std::string::npos;
  for (const auto& part : path) good = good && part != ".." && part != ".";
  if (!good) throw object.wrong(key, "a path inside the pool's folder, without '..'");
  return text;
}

Json to_json(const PoolAdapterEntry& entry) {
  Json json = {{"name", entry.name},
               {"file", entry.file},
               {"sha256", entry.sha256},
               {"rank", entry.rank},
               {"trained_on", entry.trained_on},
               {"licence", entry.licence}};
  if (entry.reference_rows > 0) json["reference_rows"] = entry.reference_rows;
  return json;
}

Json to_json(const std::vector<PoolAdapterEntry>& entries) {
  Json array = Json::array();
  for (const PoolAdapterEntry& entry : entries) array.push_back(to_json(entry));
  return array;
}

std::string read_name(const JsonObject& object, const char* key) {
  std::string name = object.text(key);
  if (name.empty()) throw object.wrong(key, "a name");
  return name;
}

PoolAdapterEntry read_adapter(const JsonObject& object) {
  PoolAdapterEntry entry;
  entry.name = read_name(object, "name");
  entry.file = read_path(object, "file");
  entry.sha256 = object.sha256("sha256");
  entry.rank = static_cast<int>(object.integer("rank", 1, kMaxRank));
  entry.trained_on = object.texts("trained_on");
  entry.licence = object.text("licence");
  if (object.has("reference_rows")) {
    entry.reference_rows = static_cast<int>(object.integer("reference_rows", 0, INT_MAX));
  }
  return entry;
}

void check_unique(const PoolManifest& manifest, const std::string& file) {
  std::set<std::string> names;
  std::set<std::string> files{manifest.gate_file, "pool.json"};
  for (const auto* list : {&manifest.adapters, &manifest.shared}) {
    for (const PoolAdapterEntry& entry : *list) {
      if (!names.insert(entry.name).second) {
        throw corrupt(file, "adapter {} is there twice, expected each name once",
                      in_quotes(entry.name));
      }
      if (!files.insert(entry.file).second) {
        throw corrupt(file, "file {} is named twice, expected one for each adapter",
                      in_quotes(entry.file));
      }
    }
  }
}

Json to_json(const ScopeModel& model) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < model.sizes.size(); ++i) {
    Json row = Json::array();
    for (const float q : model.quantiles.row(i)) row.push_back(std::round(q * 1e4) / 1e4);
    rows.push_back(std::move(row));
  }
  return {{"sizes", model.sizes}, {"quantiles", std::move(rows)}};
}

ScopeModel read_scope_model(const JsonObject& object) {
  ScopeModel model;
  try {
    object.json("sizes").get_to(model.sizes);
    for (const Json& row : object.json("quantiles")) {
      const auto numbers = row.get<std::vector<float>>();
      if (model.quantiles.rows++ == 0) model.quantiles.cols = numbers.size();
      model.quantiles.data.insert(model.quantiles.data.end(), numbers.begin(), numbers.end());
    }
    check_scope_model(model, "scope model");
  } catch (const Json::exception&) {
    throw corrupt(object.file(),
                  "key 'scope' has no lists of numbers, expected sizes and quantiles");
  } catch (const Error& error) {
    throw corrupt(object.file(), "{}", error.what());
  }
  return model;
}

void check_version(const JsonObject& object) {
  const auto version = object.integer("format_version", 1, INT_MAX);
  if (version > kFormatVersion) {
    throw file_error(ErrorCode::Unsupported, object.file(),
                     "has format version {}, this program knows up to {}; update crayon", version,
                     kFormatVersion);
  }
}

}  // namespace

PoolManifest parse_pool_manifest(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonObject object(json, file, "");
  check_version(object);
  PoolManifest manifest;
  manifest.format_version = kFormatVersion;
  manifest.id = read_name(object, "id");
  manifest.name = read_name(object, "name");
  manifest.base = read_base(object.object("base"));
  manifest.first_layer =
      static_cast<int>(object.integer("first_layer", 0, manifest.base.n_layers - 1));
  manifest.prompt = read_prompt(object.object("prompt"));
  const JsonObject gate = object.object("gate");
  manifest.gate_file = read_path(gate, "file");
  manifest.gate_sha256 = gate.sha256("sha256");
  manifest.calibration = read_calibration(object.object("calibration"));
  if (object.has("scope")) manifest.scope = read_scope_model(object.object("scope"));
  for (const JsonObject& entry : object.objects("adapters")) {
    manifest.adapters.push_back(read_adapter(entry));
  }
  for (const JsonObject& entry : object.objects("shared")) {
    manifest.shared.push_back(read_adapter(entry));
  }
  if (manifest.shared.size() > 1) throw object.wrong("shared", "at most one shared adapter");
  check_unique(manifest, file);
  (void)object.object("training");
  manifest.training_json = object.json("training").dump();
  return manifest;
}

std::string write_pool_manifest(const PoolManifest& manifest) {
  Json training = Json::parse(manifest.training_json, nullptr, /*allow_exceptions=*/false);
  if (!training.is_object()) {
    throw Error(ErrorCode::InvalidArgument,
                "pool manifest: training_json is no JSON object; give one, such as {}");
  }
  Json json = {{"format_version", kFormatVersion},
               {"id", manifest.id},
               {"name", manifest.name},
               {"base", to_json(manifest.base)},
               {"first_layer", manifest.first_layer},
               {"prompt", to_json(manifest.prompt)},
               {"gate", {{"file", manifest.gate_file}, {"sha256", manifest.gate_sha256}}},
               {"calibration", to_json(manifest.calibration)},
               {"adapters", to_json(manifest.adapters)},
               {"shared", to_json(manifest.shared)},
               {"training", std::move(training)}};
  if (!manifest.scope.empty()) json["scope"] = to_json(manifest.scope);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace crayon
