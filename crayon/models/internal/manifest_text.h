// The text of models/manifest.json; the build makes manifest_text.cpp from it.
#pragma once

namespace crayon {

extern const char* const kManifestText;

}  // namespace crayon
