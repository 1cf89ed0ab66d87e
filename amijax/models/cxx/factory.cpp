// The one symbol that a model's library exports.
#include "wrapfunctions.h"

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

// Put a new model into a pointer of AMICI's Python module; return whether it worked.
extern "C" EXPORT int amijax_get_model(std::unique_ptr<amici::Model> *model) {
    try {
        *model = amici::generic_model::get_model();
        return 1;
    } catch (...) {
        return 0;
    }
}
