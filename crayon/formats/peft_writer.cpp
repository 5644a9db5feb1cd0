// An adapter to adapter_config.json and adapter_model.safetensors.
#include <algorithm>
#include <system_error>

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

/// A and B as PEFT has them: rank R, the scale in B, rows in PEFT's order.
struct Factors {
  NamedTensor a;
  NamedTensor b;
};

Factors factors_of(const LoraTensor& tensor, std::size_t rank, int heads) {
  Matrix a(rank, tensor.a.cols);
  std::ranges::copy(tensor.a.data, a.data.begin());
  Matrix b(tensor.b.rows, rank);
  for (std::size_t row = 0; row < b.rows; ++row) {
    for (std::size_t k = 0; k < tensor.rank(); ++k) {
      b.at(row, k) = tensor.scale * tensor.b.at(row, k);
    }
  }
  if (heads > 0) b = reorder_rows(b, heads, RowOrder::Peft);
  return {{{a.rows, a.cols}, std::move(a.data)}, {{b.rows, b.cols}, std::move(b.data)}};
}

PeftPlace place_of(const LoraTensor& tensor) {
  const auto place = find_gguf_place(tensor.name);
  if (place) return *place;
  throw Error(ErrorCode::Unsupported,
              fmt::format("adapter tensor {}: PEFT has no module for it here, expected matrices of "
                          "blocks ({}); leave it out",
                          in_quotes(tensor.name), known_peft_modules()));
}

Json config_of(const PeftOptions& options, std::size_t rank, std::vector<std::string> modules) {
  const std::string& name = options.base_model;
  return {{"alpha_pattern", Json::object()},
          {"auto_mapping", nullptr},
          {"base_model_name_or_path", name.empty() ? options.base.name : name},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"lora_alpha", rank},
          {"lora_dropout", 0.0},
          {"modules_to_save", nullptr},
          {"peft_type", "LORA"},
          {"r", rank},
          {"rank_pattern", Json::object()},
          {"target_modules", std::move(modules)},
          {"task_type", "CAUSAL_LM"},
          {"use_dora", false},
          {"use_rslora", false}};
}

/// Both files in a folder beside the last one, which then takes its name.
void write_folder(const fs::path& folder, const std::string& config,
                  std::span<const std::byte> tensors) {
  fs::path path = folder;
  if (!path.has_filename()) path = path.parent_path();  // a last slash
  // A name that is nobody else's, as what is there under it goes.
  const fs::path draft =
      path.parent_path() / fmt::format(".{}.crayon-part", path.filename().string());
  try {
    fs::remove_all(draft);  // of a run that was killed
    fs::create_directories(draft);
    write_atomically(draft / "adapter_config.json", config);
    write_atomically(draft / "adapter_model.safetensors", tensors);
    fs::rename(draft, path);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(draft, ignored);
    throw file_error(ErrorCode::Unavailable, path.string(), "cannot be written: {}",
                     error.code().message());
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove_all(draft, ignored);
    throw;
  }
}

}  // namespace

void write_peft(const fs::path& folder, const Adapter& adapter, const PeftOptions& options) {
  check_architecture(options.base.architecture, options.base.name);
  check_adapter(adapter);
  if (file_kind(folder) != FileKind::None) {
    throw file_error(ErrorCode::InvalidArgument, folder.string(),
                     "is there already, expected a name for a new folder; name another one");
  }
  const std::size_t rank = std::max<std::size_t>(1, max_rank(adapter));
  Safetensors file;
  file.metadata["format"] = "pt";
  std::vector<std::string> modules;
  for (const LoraTensor& tensor : adapter.tensors) {
    const PeftPlace place = place_of(tensor);
    const int heads = reordered_heads(place, options.base);
    if (heads > 0 && tensor.b.rows % (2 * static_cast<std::size_t>(heads)) != 0) {
      throw Error(ErrorCode::Incompatible,
                  fmt::format("adapter tensor {}: {} rows, which the {} heads of base '{}' cannot "
                              "share; name the adapter's own base",
                              in_quotes(tensor.name), tensor.b.rows, heads, options.base.name));
    }
    Factors factors = factors_of(tensor, rank, heads);
    modules.push_back(peft_path(place));
    const std::string name = fmt::format("base_model.model.{}.lora_", modules.back());
    file.tensors[fmt::format("{}A.weight", name)] = std::move(factors.a);
    file.tensors[fmt::format("{}B.weight", name)] = std::move(factors.b);
  }
  const Json config = config_of(options, rank, std::move(modules));
  write_folder(folder, config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
               write_safetensors(file));
}

}  // namespace crayon
