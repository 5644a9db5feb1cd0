#include "crayon/formats/import_adapter.h"

#include "crayon/base/files.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/internal/messages.h"
#include "crayon/formats/model_file.h"
#include "crayon/formats/peft.h"

namespace crayon {
namespace {

Adapter read_lora(const std::filesystem::path& path, const BaseModel& base) {
  const Gguf gguf = Gguf::open(path);
  Adapter adapter = adapter_from_gguf(gguf);
  const std::string architecture = gguf.text("general.architecture");
  check_architecture(architecture, gguf.file());
  if (architecture != base.architecture) {
    throw file_error(ErrorCode::Incompatible, gguf.file(),
                     "is made for architecture {}, but base '{}' is of '{}'; use an adapter "
                     "trained on this base, or name its base with --model",
                     in_quotes(architecture), base.name, base.architecture);
  }
  if (!adapter.base_id.empty() && adapter.base_id != base.id()) {
    throw file_error(ErrorCode::Incompatible, gguf.file(),
                     "is made for base {}, but base '{}' is '{}'; use an adapter trained on this "
                     "base, or name its base with --model",
                     in_quotes(adapter.base_id), base.name, base.id());
  }
  adapter.base_id = base.id();
  return adapter;
}

}  // namespace

ImportedAdapter import_adapter(const std::filesystem::path& path, const Gguf& model,
                               const BaseModel& base) {
  check_architecture(base.architecture, base.name);
  ImportedAdapter result;
  if (file_kind(path) == FileKind::Folder) {
    PeftAdapter peft = read_peft(path, base);
    result = {std::move(peft.adapter), "peft", std::move(peft.base_model)};
  } else {
    result = {read_lora(path, base), "gguf", {}};
  }
  for (const LoraTensor& tensor : result.adapter.tensors) {
    if (layer_of(tensor.name)) continue;
    throw file_error(ErrorCode::Unsupported, path.string(),
                     "adapts {}, which is in no block, expected matrices of blocks; train it "
                     "without",
                     in_quotes(tensor.name));
  }
  if (result.adapter.tensors.empty()) throw corrupt(path.string(), "holds no tensor");
  check_fits_model(result.adapter, model, path.string());
  return result;
}

}  // namespace crayon
