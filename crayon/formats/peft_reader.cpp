// adapter_config.json and adapter_model.safetensors to an adapter.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "crayon/base/files.h"
#include "crayon/formats/internal/json.h"
#include "crayon/formats/internal/messages.h"
#include "crayon/formats/internal/peft_names.h"
#include "crayon/formats/model_file.h"
#include "crayon/formats/peft.h"
#include "crayon/formats/safetensors.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorFile = "adapter_model.safetensors";
constexpr std::uint64_t kMostConfigBytes = 16 << 20;
constexpr std::uint64_t kMostTensorBytes = std::uint64_t{4} << 30;
constexpr std::int64_t kMostRank = 65536;
constexpr double kMostAlpha = 1e9;
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight";
constexpr std::string_view kSuffixB = ".lora_B.weight";

/// A setting that changes what the adapter is, and what it must be.
struct Refusal {
  const char* key;
  const char* what;
  const char* todo;
};
constexpr std::array<Refusal, 12> kMustBeUnset{{
    {"use_dora", "is a DoRA adapter (use_dora)", "train a plain LoRA"},
    {"use_qalora", "is a QALoRA adapter (use_qalora)", "train a plain LoRA"},
    {"use_bdlora", "is a block-diagonal LoRA (use_bdlora)", "train a plain LoRA"},
    {"arrow_config", "routes among other adapters (arrow_config)", "give those one by one"},
    {"lora_bias", "has biases in its B (lora_bias)", "train it without"},
    {"modules_to_save", "brings whole modules (modules_to_save)", "train it without"},
    {"trainable_token_indices", "brings token embeddings (trainable_token_indices)",
     "train it without"},
    {"target_parameters", "adapts single parameters (target_parameters)",
     "adapt modules (target_modules) instead"},
    {"layer_replication", "repeats layers of its base (layer_replication)", "train it without"},
    {"fan_in_fan_out", "adapts transposed weights (fan_in_fan_out)",
     "use a base of the Llama or Qwen2 family"},
    {"alora_invocation_tokens", "is an activated LoRA (alora_invocation_tokens)",
     "train a plain LoRA"},
    {"megatron_config", "is split for Megatron (megatron_config)", "train it without"},
}};
/// Ways to begin that leave the base's weights as they are.
constexpr std::array<std::string_view, 3> kKnownStarts{"gaussian", "eva", "orthogonal"};

class Config {
 public:
  Config(const Json& json, std::string file) : json_(json), file_(std::move(file)) {
    check_kind();
    for (const Refusal& each : kMustBeUnset) check_unset(each);
    check_bias();
    check_start();
    const JsonObject object(json_, file_, "");
    rank_ = object.integer("r", 1, kMostRank);
    alpha_ = object.real("lora_alpha");
    stabilised_ = has("use_rslora") && object.boolean("use_rslora");
  }

  [[nodiscard]] bool stabilised() const { return stabilised_; }
  [[nodiscard]] std::string base_model() const {
    constexpr const char* kKey = "base_model_name_or_path";
    if (!has(kKey) || !json_[kKey].is_string()) return "";
    auto name = json_[kKey].get<std::string>();
    std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; });
    return name;  // printable on a terminal
  }
  [[nodiscard]] std::int64_t rank(std::string_view module) const {
    const double rank = pattern("rank_pattern", module, static_cast<double>(rank_));
    if (rank < 1 || rank > kMostRank || rank != std::floor(rank)) {
      throw corrupt(file_, "rank_pattern has {}, expected a whole number from 1 on", rank);
    }
    return static_cast<std::int64_t>(rank);
  }
  /// alpha / r, or alpha / sqrt r.
  [[nodiscard]] float scale(std::string_view module) const {
    const auto r = static_cast<double>(rank(module));
    const double alpha = pattern("alpha_pattern", module, alpha_);
    if (std::fabs(alpha) > kMostAlpha) {
      throw corrupt(file_, "gives alpha {} to {}, expected at most {}", alpha, in_quotes(module),
                    kMostAlpha);
    }
    return static_cast<float>(alpha / (stabilised_ ? std::sqrt(r) : r));
  }

 private:
  [[nodiscard]] bool has(const char* key) const {
    return json_.contains(key) && !json_[key].is_null();
  }
  [[nodiscard]] Error unsupported(const std::string& what, const std::string& todo) const {
    return file_error(ErrorCode::Unsupported, file_, "{}, expected a plain LoRA; {}", what, todo);
  }

  void check_kind() const {
    const JsonObject object(json_, file_, "");
    const std::string kind = object.text("peft_type");
    if (kind != "LORA") {
      throw unsupported(fmt::format("peft_type is {}", in_quotes(kind)), "train a LoRA");
    }
  }
  void check_unset(const Refusal& refusal) const {
    if (!has(refusal.key)) return;
    const Json& value = json_[refusal.key];
    const bool off = value.is_boolean() ? !value.get<bool>()
                                        : (value.is_array() || value.is_object()) && value.empty();
    if (!off) throw unsupported(refusal.what, refusal.todo);
  }
  void check_bias() const {
    if (!has("bias")) return;
    const std::string bias = JsonObject(json_, file_, "").text("bias");
    if (bias != "none") {
      throw unsupported(fmt::format("trains biases (bias is {})", in_quotes(bias)),
                        "train it with bias='none'");
    }
  }
  void check_start() const {
    if (!has("init_lora_weights") || json_["init_lora_weights"].is_boolean()) return;
    const std::string start = JsonObject(json_, file_, "").text("init_lora_weights");
    for (const auto known : kKnownStarts) {
      if (start == known) return;
    }
    throw unsupported(
        fmt::format("begins by {}, which changes the base's weights", in_quotes(start)),
        "save it with path_initial_model_for_weight_conversion, which makes it a plain one");
  }

  /// The number that a pattern gives to a module: keys end a module's path, dots being dots.
  [[nodiscard]] double pattern(const char* name, std::string_view module, double otherwise) const {
    if (!has(name)) return otherwise;
    if (!json_[name].is_object()) throw corrupt(file_, "{} is no object", name);
    const JsonObject object(json_[name], file_, fmt::format("{}.", name));
    std::set<double> found;
    for (const auto& [key, value] : json_[name].items()) {
      if (key.find_first_of("\\^$*+?()[]{}|") != std::string::npos) {
        throw file_error(ErrorCode::Unsupported, file_,
                         "{} has the regular expression {}, expected names of modules; write them "
                         "out",
                         name, in_quotes(key));
      }
      if (module == key || module.ends_with(fmt::format(".{}", key)))
        found.insert(object.real(key));
    }
    if (found.size() > 1) {
      throw file_error(ErrorCode::Unsupported, file_,
                       "{} gives several numbers to {}, expected one; write the modules out", name,
                       in_quotes(module));
    }
    return found.empty() ? otherwise : *found.begin();
  }

  const Json& json_;
  std::string file_;
  std::int64_t rank_ = 0;
  double alpha_ = 0;
  bool stabilised_ = false;
};

struct Factors {
  const NamedTensor* a = nullptr;
  const NamedTensor* b = nullptr;
};

Matrix matrix_of(const NamedTensor& tensor, const std::string& name, const std::string& file) {
  if (tensor.shape.size() != 2 || tensor.data.empty()) {
    throw corrupt(file, "tensor {} has shape [{}], expected a matrix", in_quotes(name),
                  fmt::join(tensor.shape, ", "));
  }
  Matrix matrix;
  matrix.rows = tensor.shape[0];
  matrix.cols = tensor.shape[1];
  matrix.data = tensor.data;
  for (const float v : matrix.data) {
    if (!std::isfinite(v)) {
      throw corrupt(file, "tensor {} holds {}, expected finite numbers", in_quotes(name), v);
    }
  }
  return matrix;
}

/// "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight" to its module; "" if it is
/// none.
std::string module_of(const std::string& name, std::string_view suffix) {
  if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) return "";
  const std::size_t length = name.size() - std::min(name.size(), kPrefix.size() + suffix.size());
  return name.substr(kPrefix.size(), length);
}

std::map<std::string, Factors> pairs_of(const Safetensors& tensors, const std::string& file) {
  std::map<std::string, Factors> pairs;
  for (const auto& [name, tensor] : tensors.tensors) {
    if (const std::string a = module_of(name, kSuffixA); !a.empty()) {
      pairs[a].a = &tensor;
    } else if (const std::string b = module_of(name, kSuffixB); !b.empty()) {
      pairs[b].b = &tensor;
    } else {
      throw file_error(ErrorCode::Unsupported, file,
                       "tensor {} is no A or B of a plain LoRA, expected names as {}...{}; train "
                       "it without biases, magnitudes, embeddings and whole modules",
                       in_quotes(name), kPrefix, kSuffixA);
    }
  }
  if (pairs.empty()) throw corrupt(file, "holds no tensor");
  return pairs;
}

PeftPlace place_of(const std::string& module, const BaseModel& base, const std::string& file) {
  const auto place = find_peft_place(module);
  if (!place) {
    throw file_error(ErrorCode::Unsupported, file,
                     "adapts the module {}, expected those of Llama's and Qwen2's blocks ({}); "
                     "train it on these alone (target_modules)",
                     in_quotes(module), known_peft_modules());
  }
  if (place->layer >= base.n_layers) {
    throw file_error(ErrorCode::Incompatible, file,
                     "adapts layer {}, but base '{}' has {} layers; use an adapter trained on this "
                     "base, or name its base with --model",
                     place->layer, base.name, base.n_layers);
  }
  return *place;
}

LoraTensor read_pair(const std::string& module, const Factors& pair, const Config& config,
                     const BaseModel& base, const std::string& file) {
  const PeftPlace place = place_of(module, base, file);
  if (pair.a == nullptr || pair.b == nullptr) {
    throw corrupt(file, "module {} lacks its {}", in_quotes(module),
                  pair.a == nullptr ? kSuffixA : kSuffixB);
  }
  LoraTensor tensor{
      gguf_name(place), matrix_of(*pair.a, fmt::format("{}{}", module, kSuffixA), file),
      matrix_of(*pair.b, fmt::format("{}{}", module, kSuffixB), file), config.scale(module)};
  const auto rank = static_cast<std::size_t>(config.rank(module));
  if (tensor.a.rows != rank || tensor.b.cols != rank) {
    throw corrupt(file, "module {} has A [{}, {}] and B [{}, {}], but {} says rank {}",
                  in_quotes(module), tensor.a.rows, tensor.a.cols, tensor.b.rows, tensor.b.cols,
                  kConfigFile, rank);
  }
  const int heads = reordered_heads(place, base);
  if (heads == 0) return tensor;
  if (tensor.b.rows % (2 * static_cast<std::size_t>(heads)) != 0) {
    throw file_error(ErrorCode::Incompatible, file,
                     "module {} has B [{}, {}], whose rows the {} heads of base '{}' cannot share; "
                     "use an adapter trained on this base, or name its base with --model",
                     in_quotes(module), tensor.b.rows, tensor.b.cols, heads, base.name);
  }
  tensor.b = reorder_rows(tensor.b, heads, RowOrder::Gguf);
  return tensor;
}

/// PEFT may name a module with "model." in front or without, and a layer 3 or 03.
void sort_by_name(Adapter& adapter, const std::string& file) {
  std::ranges::sort(adapter.tensors, {}, &LoraTensor::name);
  const auto twice = std::ranges::adjacent_find(adapter.tensors, {}, &LoraTensor::name);
  if (twice == adapter.tensors.end()) return;
  throw corrupt(file, "adapts {} twice, expected each matrix once", in_quotes(twice->name));
}

void check_files(const fs::path& folder) {
  if (!is_peft_folder(folder)) {
    throw file_error(ErrorCode::NotFound, folder.string(),
                     "holds no {}, expected a folder that PEFT saved", kConfigFile);
  }
  if (file_kind(folder / kTensorFile) == FileKind::File) return;
  const bool pickled = file_kind(folder / "adapter_model.bin") == FileKind::File;
  throw file_error(ErrorCode::NotFound, folder.string(), "holds no {}{}; save it with {}",
                   kTensorFile, pickled ? ", only a pickle (adapter_model.bin)" : "",
                   "safe_serialization=True");
}

}  // namespace

bool is_peft_folder(const fs::path& folder) {
  return file_kind(folder) == FileKind::Folder && file_kind(folder / kConfigFile) == FileKind::File;
}

PeftAdapter read_peft(const fs::path& folder, const BaseModel& base) {
  check_architecture(base.architecture, base.name);
  check_files(folder);
  const std::string config_file = (folder / kConfigFile).string();
  const Json json = parse_json(read_text(folder / kConfigFile, kMostConfigBytes), config_file);
  if (!json.is_object()) throw corrupt(config_file, "is {}, expected an object", kind_name(json));
  const Config config(json, config_file);

  const std::string file = (folder / kTensorFile).string();
  const Safetensors tensors = read_safetensors(read_file(file, kMostTensorBytes), file);
  PeftAdapter result;
  result.base_model = config.base_model();
  result.rank_stabilised = config.stabilised();
  result.adapter.base_id = base.id();
  const auto pairs = pairs_of(tensors, file);
  for (const auto& [module, pair] : pairs) (void)place_of(module, base, file);  // before all else
  for (const auto& [module, pair] : pairs) {
    result.adapter.tensors.push_back(read_pair(module, pair, config, base, file));
  }
  sort_by_name(result.adapter, file);
  return result;
}

}  // namespace crayon
