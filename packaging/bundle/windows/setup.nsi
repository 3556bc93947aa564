; The setup program for one user; packaging/installers.py gives VERSION, NUMBERS, BUNDLE and SETUP.
; Silent: setup.exe /S [/D=folder]; with autostart: setup.exe /S /AUTOSTART. uninstall.exe /S keeps the data.
Target amd64-unicode
!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh

!define NAME "taskclf-tray"
!define SHOWN "taskclf tray"
!define DATA "$LOCALAPPDATA\taskclf"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"

Name "${SHOWN}"
OutFile "${SETUP}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${UNINSTALL}" "InstallLocation"
RequestExecutionLevel user
SetCompressor /SOLID lzma
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "${SHOWN}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${SHOWN} setup"
VIAddVersionKey "LegalCopyright" "MIT licence"

!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_RUN "$INSTDIR\${NAME}-window.exe"
!define MUI_FINISHPAGE_RUN_TEXT "Start ${SHOWN}"
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

Section "${SHOWN}" main
  SectionIn RO
  ; the files of an older version go first: what the new one lacks would be loaded beside it
  RMDir /r "$INSTDIR\_internal"
  SetOutPath "$INSTDIR"
  File /r "${BUNDLE}\*.*"
  CreateShortcut "$SMPROGRAMS\${SHOWN}.lnk" "$INSTDIR\${NAME}-window.exe"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "${SHOWN}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\${NAME}-window.exe"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  IntFmt $0 "0x%08X" $0
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" "$0"
SectionEnd

Section /o "Start at login" autostart
  WriteRegStr HKCU "${RUN}" "${NAME}" '"$INSTDIR\${NAME}-window.exe"'
SectionEnd

Function .onInit
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/AUTOSTART" $1
  ${IfNot} ${Errors}
    SectionSetFlags ${autostart} ${SF_SELECTED}
  ${EndIf}
FunctionEnd

Section "Uninstall"
  DeleteRegValue HKCU "${RUN}" "${NAME}"
  DeleteRegKey HKCU "${UNINSTALL}"
  Delete "$SMPROGRAMS\${SHOWN}.lnk"
  Delete "$INSTDIR\${NAME}.exe"
  Delete "$INSTDIR\${NAME}-window.exe"
  Delete "$INSTDIR\THIRD_PARTY_LICENSES.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir /r "$INSTDIR\_internal"
  RMDir "$INSTDIR"
  ${If} ${FileExists} "${DATA}\*.*"
    MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 \
      "Delete your record, labels and models in ${DATA} too?" /SD IDNO IDNO kept
    RMDir /r "${DATA}"
    kept:
  ${EndIf}
SectionEnd
