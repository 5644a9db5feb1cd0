#include "crayon/formats/json_lines.h"

#include "crayon/base/text.h"
#include "crayon/formats/internal/json.h"
#include "crayon/formats/internal/line_reader.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

void check_object(std::string_view line, const std::string& where) {
  std::string fault = json_fault(line, JsonKeys::Private);
  if (fault.empty() && !trimmed(line).starts_with('{')) fault = "holds no JSON object";
  if (fault.empty()) return;
  throw file_error(ErrorCode::InvalidArgument, where,
                   "{}, expected one JSON object a line; mend or remove the line", fault);
}

}  // namespace

void read_json_lines(const std::filesystem::path& path, const TakeJsonLine& take) {
  std::ifstream in = open_lines(path);
  LineReader lines(in, path.string());
  std::string line;
  while (lines.next(line)) {
    if (trimmed(line).empty()) continue;
    check_object(line, lines.where());
    if (!take(line, lines.where())) return;
  }
}

}  // namespace crayon
