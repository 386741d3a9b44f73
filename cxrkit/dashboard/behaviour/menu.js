// In a narrow window the menu of pages lies over the page. Streamlit closes it after a choice where the browser says
// that it is a phone's; here it is closed in the narrow windows of all others.
(() => {
  if (window.cxMenu) return;
  window.cxMenu = true;
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-testid=stSidebarNavLink]")) return;
    setTimeout(() => {  // after Streamlit's own doing
      document.querySelector("[data-testid=stSidebar][data-collapsed=false] [data-testid=stSidebarCollapseButton] button")?.click();
    });
  });
})();
